//! Thinning that hides no spike: per column of two pixels the smallest and the largest value stay, in their order.

/// Width of a column in pixels.
const COLUMN: f64 = 2.0;

/// Points in pixels, at most four per column: first, smallest, largest and last of the column.
pub(crate) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::new();
    let mut rest = points;
    while let Some(first) = rest.first() {
        let column = |p: &(f64, f64)| (p.0 / COLUMN).floor();
        let length = rest.iter().take_while(|p| column(p) == column(first)).count().max(1);
        let (inside, after) = rest.split_at(length);
        out.extend(extremes(inside));
        rest = after;
    }
    out
}

/// First, smallest, largest and last, in their order and each once.
fn extremes(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= 4 {
        return points.to_vec();
    }
    let by_y = |a: &usize, b: &usize| points[*a].1.total_cmp(&points[*b].1);
    let smallest = (0..points.len()).min_by(by_y).unwrap_or(0);
    let largest = (0..points.len()).max_by(by_y).unwrap_or(0);
    let mut keep = vec![0, smallest, largest, points.len() - 1];
    keep.sort_unstable();
    keep.dedup();
    keep.into_iter().map(|i| points[i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_of_one_period_survives_and_columns_stay_small() {
        let mut points: Vec<(f64, f64)> = (0..36_000).map(|i| (f64::from(i) / 45.0, 50.0)).collect();
        points[20_001].1 = 3.0;
        let thinned = thin(&points);
        assert!(thinned.contains(&points[20_001]), "the spike is drawn");
        assert!(thinned.len() <= 4 * 401, "{}", thinned.len());
        assert_eq!(thinned.last(), points.last());
    }

    #[test]
    fn few_points_are_kept_as_they_are() {
        let points = [(0.0, 1.0), (10.0, 2.0), (20.0, 1.0)];
        assert_eq!(thin(&points), points);
        assert!(thin(&[]).is_empty());
    }
}
