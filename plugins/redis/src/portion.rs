/// The most that is asked for, so that a burst of large entries fits into memory.
const MOST: usize = 128;
/// An answer that is larger is more than was wished for.
const BYTES_AT_ONCE: usize = 4 << 20;

/// How many entries are asked for at once: more while they are small.
pub(crate) struct Portion {
    pub(crate) count: usize,
}

impl Default for Portion {
    fn default() -> Self {
        Self { count: 1 }
    }
}

impl Portion {
    /// What is asked for next, after an answer of so many bytes.
    pub(crate) fn adapt(&mut self, bytes: usize) {
        let count = if bytes < BYTES_AT_ONCE { self.count * 2 } else { self.count / 2 };
        self.count = count.clamp(1, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_entries_are_asked_for_one_by_one_and_small_ones_together() {
        let mut portion = Portion::default();
        for expected in [2, 4, 8, 16, 32, 64, MOST, MOST] {
            portion.adapt(portion.count * 100);
            assert_eq!(portion.count, expected);
        }
        for expected in [64, 32, 16, 8, 4, 2, 1, 1] {
            portion.adapt(BYTES_AT_ONCE);
            assert_eq!(portion.count, expected);
        }
    }
}
