import { expect, it } from 'vitest'
import { isPublicAddress } from './addresses.js'

it.each([
  ...['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.1', '100.63.0.1', '2606:4700:4700::1111', '2a00:1450:4001:81b::200e'].map(
    (a) => [a, true] as const,
  ),
  ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1', '172.31.255.255'].map(
    (a) => [a, false] as const,
  ),
  ...['192.168.1.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '192.0.0.192'].map((a) => [a, false] as const),
  ...[
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
  ].map((a) => [a, false] as const),
  ...['fd00:ec2::254', 'ff02::1', '2001::1', '2001:db8::1', '2002:7f00:1::', '3fff::1', 'localhost', ''].map(
    (a) => [a, false] as const,
  ),
])('of %s: public is %s', (address, isPublic) => {
  expect(isPublicAddress(address)).toBe(isPublic)
})
