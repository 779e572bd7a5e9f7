//! Makes a failing script smaller by delta debugging: entries are left out as long as the run still fails.

/// The entries of `script` that suffice to fail, tried with at most `tries` further runs.
///
/// The result fails, and if the tries sufficed no single entry of it can be left out.
pub(crate) fn shrink<T: Clone>(
    script: &[T],
    mut tries: usize,
    mut fails: impl FnMut(&[T]) -> bool,
) -> Vec<T> {
    let mut kept = script.to_vec();
    let mut chunk = kept.len().div_ceil(2);
    while chunk > 0 && !kept.is_empty() {
        let mut at = 0;
        let mut smaller = false;
        while at < kept.len() {
            if tries == 0 {
                return kept;
            }
            tries -= 1;
            let end = (at + chunk).min(kept.len());
            let without: Vec<T> = kept[..at].iter().chain(&kept[end..]).cloned().collect();
            if fails(&without) {
                kept = without;
                smaller = true;
            } else {
                at = end;
            }
        }
        if chunk > 1 {
            chunk = chunk.div_ceil(2);
        } else if !smaller {
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::shrink;

    #[test]
    fn what_is_needed_stays_and_nothing_else() {
        let script: Vec<u32> = (0..40).collect();
        let mut runs = 0;
        let kept = shrink(&script, 1000, |script| {
            runs += 1;
            script.contains(&3) && script.contains(&31)
        });
        assert_eq!(kept, [3, 31]);
        assert!(runs < 80, "{runs}");
    }

    #[test]
    fn a_failure_without_any_fault_shrinks_to_nothing() {
        assert_eq!(shrink(&[1, 2, 3], 100, |_| true), [0; 0]);
    }

    #[test]
    fn it_ends_when_the_tries_are_used_up() {
        let script: Vec<u32> = (0..100).collect();
        let kept = shrink(&script, 3, |script| script.contains(&99));
        assert!(kept.contains(&99) && kept.len() > 1, "{kept:?}");
    }
}
