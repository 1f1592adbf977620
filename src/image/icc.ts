/** Just enough of ICC colour profiles (ICC.1:2022, 7.2 and 9.2.41) to tell sRGB, whose conversion to sRGB would change nothing. */

/** Whether a profile describes itself as sRGB. Nothing in it is trusted beyond that: offsets are checked, other tags not read. */
export function isSrgbProfile(profile: Uint8Array): boolean {
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength)
  if (view.byteLength < 132) return false
  const tags = Math.min(view.getUint32(128), 100)
  for (let i = 0, at = 132; i < tags && at + 12 <= view.byteLength; i++, at += 12) {
    if (view.getUint32(at) !== DESC) continue
    const from = view.getUint32(at + 4)
    const text = Buffer.from(profile.subarray(from, from + Math.min(view.getUint32(at + 8), 500))).toString('latin1')
    // Version 2 spells the description in ASCII, version 4 in UTF-16.
    return text.replaceAll('\0', '').includes('sRGB')
  }
  return false
}

const DESC = 0x64657363
