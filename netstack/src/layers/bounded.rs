//! A table by IP address that holds a bounded number of entries.

use std::net::IpAddr;

/// A table of at most `MOST` entries. A new one replaces the one that was set longest ago.
#[derive(Debug)]
pub(super) struct Bounded<V, const MOST: usize> {
    /// Sorted by address. A vector, so that a full table allocates nothing more.
    entries: Vec<Entry<V>>,
    /// How often an entry was set so far.
    age: u64,
}

#[derive(Debug)]
struct Entry<V> {
    ip: IpAddr,
    value: V,
    /// [`Bounded::age`] when it was set.
    age: u64,
}

impl<V, const MOST: usize> Default for Bounded<V, MOST> {
    fn default() -> Self {
        Self { entries: Vec::new(), age: 0 }
    }
}

impl<V, const MOST: usize> Bounded<V, MOST> {
    pub(super) fn get(&self, ip: IpAddr) -> Option<&V> {
        Some(&self.entries[self.find(ip).ok()?].value)
    }

    /// Sets the value of `ip`.
    pub(super) fn set(&mut self, ip: IpAddr, value: V) {
        self.age += 1;
        let new = Entry { ip, value, age: self.age };
        match self.find(ip) {
            Ok(at) => self.entries[at] = new,
            Err(at) if self.entries.len() < MOST => self.entries.insert(at, new),
            Err(mut at) => {
                let ages = self.entries.iter().enumerate().map(|(at, entry)| (entry.age, at));
                let Some((_, oldest)) = ages.min() else { return };
                self.entries.remove(oldest);
                // What was behind the removed entry has moved forward by one.
                at -= usize::from(oldest < at);
                self.entries.insert(at, new);
            }
        }
    }

    /// Where `ip` is, or where it belongs.
    fn find(&self, ip: IpAddr) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&ip, |entry| entry.ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_that_was_set_longest_ago_makes_room() {
        let ip = |last| IpAddr::from([10, 0, 0, last]);
        let mut table = Bounded::<u8, 3>::default();
        for last in [7, 3, 5, 3, 1] {
            table.set(ip(last), last);
        }
        // 7 was the oldest; 3 was set again.
        let known = |table: &Bounded<u8, 3>| [1, 3, 5, 7, 9].map(|last| table.get(ip(last)).copied());
        assert_eq!(known(&table), [Some(1), Some(3), Some(5), None, None]);
        table.set(ip(9), 9);
        assert_eq!((known(&table), table.entries.len()), ([Some(1), Some(3), None, None, Some(9)], 3));
    }

    #[test]
    fn it_finds_what_it_holds_in_any_order_of_setting() {
        let mut table = Bounded::<u32, 16>::default();
        for number in 0..1_000_u32 {
            let ip = IpAddr::from((number.wrapping_mul(2_654_435_761)).to_be_bytes());
            table.set(ip, number);
            assert_eq!(table.get(ip), Some(&number));
            assert!(table.entries.len() <= 16 && table.entries.is_sorted_by_key(|entry| entry.ip));
        }
    }
}
