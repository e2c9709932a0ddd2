import { at } from './unit-table.ts';

/** Numbers by index, the second for those that are equal in the first. */
export type Keys = readonly [first: Float64Array, second: Float64Array];

/**
 * Parts indices into the `count` least and the others; of what is equal in both keys the higher index is less. Neither part
 * has an order, but equal input gives equal parts. Cost O(indices) on average.
 */
export function leastBy(
  [first, second]: Keys,
  indices: readonly number[],
  count: number,
): readonly [least: readonly number[], others: readonly number[]] {
  if (count <= 0) return [[], indices];
  if (count >= indices.length) return [indices, []];
  const order = [...indices];
  select(order, count, (a, b) => {
    const difference = at(first, a) - at(first, b) || at(second, a) - at(second, b);
    return difference === 0 ? a > b : difference < 0;
  });
  return [order.slice(0, count), order.slice(count)];
}

/** Hoare's quickselect: afterwards the first `count` are the least. The middle as the pivot is right for what is sorted. */
function select(order: number[], count: number, isLess: (a: number, b: number) => boolean): void {
  let from = 0;
  let to = order.length - 1;
  while (from < to) {
    const pivot = at(order, (from + to) >> 1);
    let left = from;
    let right = to;
    while (left <= right) {
      while (isLess(at(order, left), pivot)) left++;
      while (isLess(pivot, at(order, right))) right--;
      if (left > right) break;
      const moved = at(order, left);
      order[left++] = at(order, right);
      order[right--] = moved;
    }
    if (count <= right) to = right;
    else if (count > left) from = left;
    else return;
  }
}
