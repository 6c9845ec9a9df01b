// SPDX-License-Identifier: MIT
// Real bytes against a second independent CBOR implementation: npm cbor2 with its strictest
// options (RFC 8949 deterministic encoding: no long heads, no indefinite lengths, nothing behind).
//
//     node oracle.mjs NODE_MODULES WIRE_SAMPLES CDDL [COUNT]
//
// Every sample must decode, encode to the same bytes, and be made of unsigned integers, byte
// strings and arrays only; deviations from the canonical form must be refused by both sides. The
// CDDL text must parse (npm cddl). Touches nothing; prints counts; exit 1 on the first difference.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [modules, samples, cddlPath, count = '60'] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(resolve(join(modules, path))));
const { decode, encode, cdeDecodeOptions, cdeEncodeOptions } = await load('cbor2/lib/index.js');

function fail(text) {
  console.error(text);
  process.exit(1);
}

function depthOf(value) {
  if (typeof value === 'number' || typeof value === 'bigint') return value >= 0 ? 0 : 99;
  if (value instanceof Uint8Array) return 0;
  if (Array.isArray(value)) return 1 + Math.max(0, ...value.map(depthOf));
  return 99;
}

function strict(hex) {
  return decode(Uint8Array.from(Buffer.from(hex, 'hex')), cdeDecodeOptions);
}

const lines = execFileSync(samples, ['dump', count], { maxBuffer: 1 << 30 })
  .toString()
  .trimEnd()
  .split('\n');
const rules = new Set();
for (const line of lines) {
  const [rule, hex] = line.split(' ');
  const value = strict(hex);
  if (Buffer.from(encode(value, cdeEncodeOptions)).toString('hex') !== hex)
    fail(`${line}: encodes otherwise`);
  if (depthOf(value) > 8) fail(`${line}: something outside the profile, or too deep`);
  rules.add(rule);
}
if (rules.size < 36) fail(`samples of ${rules.size} rules only`);
console.log(`${lines.length} samples of ${rules.size} rules: decoded strictly, encoded the same`);

// The first of each pair passes both decoders, the second neither.
const twins = [
  ['8401010501', '840118010501'],
  ['8401010501', '9f01010501ff'],
  ['8401010501', '840101050100'],
  ['8401010501', '980401010501'],
  ['8402000041aa', '840200005801aa'],
];
for (const [good, bad] of twins) {
  strict(good);
  const check = (hex) => execFileSync(samples, ['check'], { input: `message ${hex}\n` }).toString();
  if (check(good) !== `RESHARD_OK ${good}\n`) fail(`${good} was refused`);
  let accepted = true;
  try {
    strict(bad);
  } catch {
    accepted = false;
  }
  if (accepted || check(bad).startsWith('RESHARD_OK')) fail(`${bad} was accepted`);
}
console.log(`${twins.length} deviations refused by both`);

const cddl = await load('cddl/build/index.js');
const rulesParsed = new cddl.Parser(resolve(cddlPath)).parse();
const defined = (readFileSync(cddlPath, 'utf8').match(/^[a-z-]+ =/gm) ?? []).length;
if (rulesParsed.length !== defined) fail(`${rulesParsed.length} of ${defined} CDDL rules parsed`);
console.log(`${defined} CDDL rules parsed`);
