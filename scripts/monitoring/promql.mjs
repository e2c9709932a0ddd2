/** What the queries of dashboards are made of. `@` stands for the selector of the namespace, `[]` for its window. */

/** How much of something a second. @param {string} by labels, `a, b`; none: all together */
export const rate = (series, by = '') => `sum${by === '' ? '' : ` by (${by})`} (rate(${series}[]))`;

/** A quantile of a histogram. */
export function quantile(q, name, { by = '', where = '' } = {}) {
  const labels = by === '' ? 'le' : `${by}, le`;
  return `histogram_quantile(${q}, sum by (${labels}) (rate(${name}_bucket{@${where}}[])))`;
}

/** The median and the 95th percentile, each with its legend. */
export const spread = (name, by = '') => ({
  [by === '' ? 'median' : `{{${by}}} median`]: quantile(0.5, name, { by }),
  [by === '' ? '95 %' : `{{${by}}} 95 %`]: quantile(0.95, name, { by }),
});

/** The mean of a histogram. */
export const mean = (name) => `${rate(`${name}_sum{@}`)} / ${rate(`${name}_count{@}`)}`;
