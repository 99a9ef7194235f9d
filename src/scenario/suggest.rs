//! "Did you mean": the nearest known word to an unknown one.

/// The known word nearest to `word`, if it is near enough to be a slip of the fingers: at most a third of
/// its letters differ (Damerau-Levenshtein, optimal string alignment), or one of the two holds the other.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase().replace('_', "-");
    known
        .into_iter()
        .map(|k| (distance(&lower, k), k))
        .filter(|(d, k)| *d <= (k.len().max(lower.len()) / 3).max(1) || contained(&lower, k))
        .min()
        .map(|(_, k)| k)
}

fn contained(word: &str, known: &str) -> bool {
    word.len() >= 3 && known.len() >= 3 && (known.contains(word) || word.contains(known))
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            rows[i][j] = if swap { best.min(rows[i - 2][j - 2] + 1) } else { best };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let keys = ["rate", "for", "think-time", "warm-up", "max-connections"];
        for (word, meant) in [
            ("rtae", "rate"),
            ("Rate", "rate"),
            ("think_time", "think-time"),
            ("warmup", "warm-up"),
            ("connections", "max-connections"),
        ] {
            assert_eq!(nearest(word, keys), Some(meant), "{word}");
        }
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
