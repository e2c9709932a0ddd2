/** A bill of the packages in an image, CycloneDX 1.5: what scanners for known faults read. */

/**
 * @param {string[]} places such as `node_modules/zod`
 * @param {Record<string, { version: string, license?: string, integrity?: string }>} locked of package-lock.json
 * @param {{ name: string, version: string }} product
 */
export function billOf(places, locked, product) {
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: { type: 'application', 'bom-ref': product.name, ...product } },
    components: places.map((place) => component(place, locked[place])),
  };
}

function component(place, { version, license, integrity }) {
  const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const hash = /^sha512-(\S+)/.exec(integrity ?? '')?.[1];
  return {
    type: 'library',
    'bom-ref': `${place}@${version}`,
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    ...(license && { licenses: [{ expression: license }] }),
    ...(hash && { hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }] }),
  };
}
