/**
 * Days for which sums of tags are kept: two of the longest ranges that can be asked for, so that each has the one before beside it,
 * and two months. Names and values are whatever customers write, and nothing else that is summed has so many rows.
 */
export const TAG_SUMS_KEPT_DAYS = 800;
