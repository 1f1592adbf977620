/** Which network addresses are public: everything else (this machine, private networks, metadata services, translations of them) is not. */
import { BlockList, isIP } from 'node:net'

/** IANA's special-purpose registries for IPv4 (RFC 6890 and its updates), multicast and what is reserved. */
const SPECIAL_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

/** Of IPv6 only global unicast is public, without what is special in it: Teredo and the like, documentation, 6to4, which may hide a private IPv4. */
const PUBLIC_V6: readonly [string, number] = ['2000::', 3]
const SPECIAL_V6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

const special4 = new BlockList()
for (const [net, prefix] of SPECIAL_V4) special4.addSubnet(net, prefix, 'ipv4')
const public6 = new BlockList()
public6.addSubnet(...PUBLIC_V6, 'ipv6')
const special6 = new BlockList()
for (const [net, prefix] of SPECIAL_V6) special6.addSubnet(net, prefix, 'ipv6')

/** @param address an IPv4 or IPv6 address as a resolver gives it; anything else is not public */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  if (family === 4) return !special4.check(address, 'ipv4')
  if (family !== 6 || address.includes('%')) return false
  return public6.check(address, 'ipv6') && !special6.check(address, 'ipv6')
}
