//! How long answers took, counted in a table of fixed size: each place of it stands for a range of times that is less than one
//! percent wide. `tally` fills it in, `report` reads percentiles from it.

/// Below this, each number of ns has a place of its own. From here on, each power of two has so many places.
const PLACES: u64 = 128;

/// The power of two of `PLACES`.
const SHIFT: u32 = PLACES.ilog2();

/// The last power of two that has places: 2⁴² ns are more than an hour. A longer time counts in the last place.
const LAST: u32 = 42;

const LEN: usize = (PLACES as usize) * (LAST - SHIFT + 2) as usize;

/// Times in ns.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    longest: u64,
    sum: u128,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: vec![0; LEN].into(),
            total: 0,
            longest: 0,
            sum: 0,
        }
    }
}

impl Histogram {
    pub(super) fn add(&mut self, ns: u64) {
        self.counts[place(ns)] += 1;
        self.total += 1;
        self.longest = self.longest.max(ns);
        self.sum += u128::from(ns);
    }

    pub(super) fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
        self.sum += other.sum;
    }

    /// The time that so many of a thousand did not exceed; 0 if there are none.
    pub(super) fn per_mille(&self, share: u64) -> u64 {
        let rank = (u128::from(self.total) * u128::from(share)).div_ceil(1000) as u64;
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                return middle(place).min(self.longest);
            }
        }
        0
    }

    pub(super) fn longest(&self) -> u64 {
        self.longest
    }

    pub(super) fn mean(&self) -> u64 {
        (self.sum / u128::from(self.total.max(1))) as u64
    }
}

/// Where a time is counted.
fn place(ns: u64) -> usize {
    let ns = ns.min((1 << (LAST + 1)) - 1);
    if ns < PLACES {
        return ns as usize;
    }
    let above = ns.ilog2() - SHIFT;
    // The bits below the leading one, as many as there are places.
    let within = (ns >> above) - PLACES;
    (PLACES * u64::from(above + 1) + within) as usize
}

/// The time that a place stands for: the middle of its range.
fn middle(place: usize) -> u64 {
    let place = place as u64;
    if place < PLACES {
        return place;
    }
    let above = place / PLACES - 1;
    let first = (PLACES + place % PLACES) << above;
    first + (1 << above) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_told_to_one_percent() {
        let mut ns: u64 = 0;
        while ns < 1 << 42 {
            for near in [ns.saturating_sub(1), ns, ns + 1] {
                let told = middle(place(near));
                assert!(
                    told.abs_diff(near) * 200 <= near,
                    "{near} is told as {told}"
                );
            }
            ns += ns / 97 + 1;
        }
        assert_eq!(place(u64::MAX), LEN - 1);
    }

    #[test]
    fn places_follow_one_another() {
        for number in 0..LEN {
            assert_eq!(place(middle(number)), number);
        }
    }

    #[test]
    fn percentiles_are_those_of_a_sorted_list() {
        let mut parts = [Histogram::default(), Histogram::default()];
        for ns in 1..=1000 {
            parts[ns as usize % 2].add(ns * 1_000_000);
        }
        let [mut all, other] = parts;
        all.merge(&other);
        for (share, wanted) in [(500, 500), (900, 900), (990, 990), (999, 999), (1000, 1000)] {
            let (told, wanted) = (all.per_mille(share), wanted * 1_000_000);
            assert!(told.abs_diff(wanted) * 100 <= wanted, "{share}: {told}");
        }
        assert_eq!(all.longest(), 1_000_000_000);
        assert_eq!(all.mean(), 500_500_000);
    }

    #[test]
    fn of_one_time_all_percentiles_are_that_and_of_none_nothing() {
        let mut one = Histogram::default();
        assert_eq!((one.per_mille(500), one.longest(), one.mean()), (0, 0, 0));
        one.add(123_456_789);
        assert_eq!(one.per_mille(1000), 123_456_789);
        assert!(one.per_mille(1).abs_diff(123_456_789) < 1_234_567);
    }
}
