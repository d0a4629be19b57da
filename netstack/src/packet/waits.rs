//! How long one packet has waited on its way down.

use std::cell::Cell;

use shared::units::Nanos;

/// What a packet can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitPlace {
    /// Bytes of the send budget.
    Budget,
    /// The Ethernet address of the next hop.
    Neighbour,
    /// The modelled CPU of the stack.
    Stack,
    /// Room in the ring.
    Room,
}

impl WaitPlace {
    pub(crate) const ALL: [Self; 4] = [Self::Budget, Self::Neighbour, Self::Stack, Self::Room];
}

/// The waits of one packet, by what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WaitTimes([Nanos; WaitPlace::ALL.len()]);

impl WaitTimes {
    /// How long the packet waited at `place`.
    #[inline(always)]
    pub(crate) fn at(&self, place: WaitPlace) -> Nanos {
        self.0[place as usize]
    }

    /// Each place at which the packet waited, and for how long.
    #[inline(always)]
    pub(crate) fn spans(&self) -> impl Iterator<Item = (WaitPlace, Nanos)> {
        WaitPlace::ALL.into_iter().map(|place| (place, self.at(place))).filter(|(_, span)| *span > Nanos::ZERO)
    }
}

/// The waits so far of a packet that is being sent.
#[derive(Debug, Default)]
pub(crate) struct WaitsSoFar {
    /// Whether any of `spans` is not zero. Every packet reads this, and most read nothing else here.
    any: Cell<bool>,
    spans: Cell<WaitTimes>,
}

impl WaitsSoFar {
    /// Adds a wait of `span` at `place`. A send that was polled twice at one time has not waited: its span is zero.
    #[inline]
    pub(crate) fn add(&self, place: WaitPlace, span: Nanos) {
        if span > Nanos::ZERO {
            let mut spans = self.spans.get();
            spans.0[place as usize] = spans.at(place) + span;
            self.spans.set(spans);
            self.any.set(true);
        }
    }

    /// The waits so far, if there are any; those of the next packet begin at zero.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<WaitTimes> {
        if !self.any.get() {
            return None;
        }
        self.any.set(false);
        Some(self.spans.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_add_up_by_place_until_they_are_taken() {
        let waits = WaitsSoFar::default();
        waits.add(WaitPlace::Budget, Nanos::ZERO);
        assert_eq!(waits.take(), None);
        waits.add(WaitPlace::Room, Nanos(3));
        waits.add(WaitPlace::Room, Nanos(4));
        waits.add(WaitPlace::Stack, Nanos(1));
        let taken = waits.take().unwrap();
        assert_eq!(taken.spans().collect::<Vec<_>>(), [(WaitPlace::Stack, Nanos(1)), (WaitPlace::Room, Nanos(7))]);
        assert_eq!(waits.take(), None);
    }
}
