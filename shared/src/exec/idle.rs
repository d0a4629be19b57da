//! How a side waits: whether it spins, and how early it asks to be woken. A value that reads no clock.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// How a process waits when it has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IdleMode {
    /// Always spins; takes a whole CPU. Sleeps for some milliseconds after another program took that CPU.
    Spin,
    /// Spins if the wait is expected to be shorter than twice the time that waking up takes, and else sleeps.
    #[default]
    Hybrid,
    /// Sleeps at once.
    Sleep,
}

/// Decides how to wait, from the waits before.
///
/// A sleep ends late by the time that it takes to wake a CPU, and the peer is late by the same. On a short ring both
/// together are more than the frames in the hardware last, so short waits are spun through. A wait for a timer has a
/// known length; the length of a wait for the peer is estimated from the waits before. Longer waits are slept through,
/// and a timer is set earlier by the time that waking up takes.
///
/// On a CPU that another program wants too, a spin does harm: the scheduler takes the CPU away in the middle of it, for
/// hundreds of packets, while a side that sleeps gets the CPU as soon as it is woken. So a side that lost its CPU in a
/// spin does not spin for a while, and for longer each time that it loses it again soon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdleRule {
    mode: IdleMode,
    /// CPUs that this process and its peer may use. On one, a process that spins stops its peer.
    cpus: u32,
    /// Mean lateness of the sleeps that a timer ended.
    wake_cost: Nanos,
    /// Mean time until something arrives from the peer.
    expected: Nanos,
    /// This side does not spin before this time.
    pauses_until: Nanos,
    /// How long the next pause is.
    pause: Nanos,
}

impl IdleRule {
    /// What waking an idle virtual CPU takes. Also the most that is assumed: a side that
    /// is woken later waits for its turn.
    const WAKE_COST: Nanos = Nanos::from_micros(50);
    /// The first pause. A thread of the kernel takes a CPU a few times a second, so this must be short.
    const SHORTEST_PAUSE: Nanos = Nanos::from_millis(4);
    const LONGEST_PAUSE: Nanos = Nanos::from_millis(256);

    /// For a process that may use `cpus` CPUs, together with its peer.
    pub(super) fn new(mode: IdleMode, cpus: u32) -> Self {
        Self {
            mode,
            cpus,
            wake_cost: Self::WAKE_COST,
            expected: Nanos::ZERO,
            pauses_until: Nanos::ZERO,
            pause: Self::SHORTEST_PAUSE,
        }
    }

    /// Until when a wait that begins at `now` spins; `now` if it sleeps at once.
    pub(super) fn spin_until(&self, now: Nanos, deadline: Option<Nanos>) -> Nanos {
        if !self.may_spin(now) {
            return now;
        }
        if self.mode == IdleMode::Spin {
            return Nanos::MAX;
        }
        let to_deadline = deadline.map_or(Nanos::MAX, |at| at.since(now));
        if self.expected.min(to_deadline) <= self.short() { now + self.short() } else { now }
    }

    /// When to wake from a sleep that begins at `now`, so that this side runs at `deadline`: what is left is short
    /// enough to spin.
    pub(super) fn wake_at(&self, now: Nanos, deadline: Nanos) -> Nanos {
        if self.may_spin(now) { deadline - self.wake_cost } else { deadline }
    }

    /// The longest wait that is better spent spinning.
    fn short(&self) -> Nanos {
        self.wake_cost + self.wake_cost
    }

    fn may_spin(&self, now: Nanos) -> bool {
        let wanted = match self.mode {
            IdleMode::Spin => true,
            IdleMode::Hybrid => self.cpus > 1,
            IdleMode::Sleep => false,
        };
        wanted && now >= self.pauses_until
    }

    /// Learns from a wait of `span` without a sleep. If nothing arrived, a timer ended it: the peer takes longer.
    pub(super) fn waited(&mut self, span: Nanos, arrived: bool) {
        if arrived || span > self.expected {
            // Bounded, so that a pause of the traffic is forgotten after a few short waits.
            let most = Nanos(Self::WAKE_COST.0 * 8);
            self.expected = mean(self.expected, span.min(most), 4);
        }
    }

    /// Learns from a wait of `span` that included a sleep. The time to wake up is subtracted: a spin would not have taken
    /// it.
    pub(super) fn slept(&mut self, span: Nanos, arrived: bool) {
        self.waited(span - self.wake_cost, arrived);
    }

    /// Learns from a sleep that its timer ended at `now`, when it was set for `asked`.
    pub(super) fn woke(&mut self, asked: Nanos, now: Nanos) {
        let late = now.since(asked);
        self.wake_cost = mean(self.wake_cost, late.min(Self::WAKE_COST), 8);
    }

    /// Learns that another thread had this side's CPU in a spin that was over at `now`.
    pub(super) fn lost_its_cpu(&mut self, now: Nanos) {
        let soon = now.since(self.pauses_until) < self.pause;
        let next = if soon { self.pause + self.pause } else { Self::SHORTEST_PAUSE };
        self.pause = next.min(Self::LONGEST_PAUSE);
        self.pauses_until = now + self.pause;
    }
}

/// `mean`, moved by one `weight`th towards `sample`.
fn mean(mean: Nanos, sample: Nanos, weight: u64) -> Nanos {
    Nanos(mean.0 - mean.0 / weight + sample.0 / weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::from_secs(1);

    fn after(micros: u64) -> Nanos {
        NOW + Nanos::from_micros(micros)
    }

    /// Whether a wait that begins now, with a timer after `micros`, begins with a spin.
    fn spins(rule: &IdleRule, micros: Option<u64>) -> bool {
        rule.spin_until(NOW, micros.map(after)) > NOW
    }

    /// A rule for a peer from which nothing is expected.
    fn quiet(mode: IdleMode, cpus: u32) -> IdleRule {
        let mut rule = IdleRule::new(mode, cpus);
        (0..20).for_each(|_| rule.waited(Nanos::from_secs(1), true));
        rule
    }

    #[test]
    fn one_cpu_spins_only_under_idle_spin() {
        for (mode, cpus, spins_now) in [
            (IdleMode::Hybrid, 1, false),
            (IdleMode::Hybrid, 2, true),
            (IdleMode::Sleep, 8, false),
            (IdleMode::Spin, 1, true),
        ] {
            assert_eq!(spins(&IdleRule::new(mode, cpus), None), spins_now, "{mode:?} on {cpus}");
        }
        assert_eq!(IdleRule::new(IdleMode::Spin, 1).spin_until(NOW, None), Nanos::MAX);
    }

    #[test]
    fn a_timer_is_spun_to_if_it_is_near_and_the_side_is_woken_early_for_a_far_one() {
        let rule = quiet(IdleMode::Hybrid, 2);
        assert!(spins(&rule, Some(100)) && !spins(&rule, Some(101)) && !spins(&rule, None));
        assert_eq!(rule.wake_at(NOW, after(500)), after(450));
        let sleep = quiet(IdleMode::Sleep, 2);
        assert_eq!(sleep.wake_at(NOW, after(500)), after(500));
    }

    #[test]
    fn short_waits_for_the_peer_are_spun_through_and_long_ones_are_not() {
        let mut rule = quiet(IdleMode::Hybrid, 2);
        (0..20).for_each(|_| rule.waited(Nanos::from_micros(60), true));
        assert!(spins(&rule, None) && spins(&rule, Some(10_000)));
        (0..20).for_each(|_| rule.waited(Nanos::from_micros(120), true));
        assert!(!spins(&rule, None));
        // Waking up took 50 us of these, so a spin would have been short.
        (0..20).for_each(|_| rule.slept(Nanos::from_micros(120), true));
        assert!(spins(&rule, None));
    }

    #[test]
    fn a_timer_that_ends_a_wait_says_only_that_the_peer_takes_longer() {
        let mut rule = quiet(IdleMode::Hybrid, 2);
        (0..20).for_each(|_| rule.waited(Nanos::from_micros(1), false));
        assert!(!spins(&rule, None));
        let mut rule = IdleRule::new(IdleMode::Hybrid, 2);
        (0..20).for_each(|_| rule.waited(Nanos::from_micros(300), false));
        assert!(!spins(&rule, None));
    }

    #[test]
    fn the_cheaper_it_is_to_wake_the_shorter_are_the_waits_that_are_spun_through() {
        let mut rule = quiet(IdleMode::Hybrid, 2);
        (0..100).for_each(|_| rule.woke(NOW, after(5)));
        assert!(spins(&rule, Some(9)) && !spins(&rule, Some(12)));
        // A sleep that is late by more than waking takes has waited for its turn.
        (0..100).for_each(|_| rule.woke(NOW, after(4_000)));
        assert!(spins(&rule, Some(99)) && !spins(&rule, Some(101)));
    }

    #[test]
    fn a_side_that_lost_its_cpu_does_not_spin_for_a_while_and_for_longer_if_that_repeats() {
        let first = IdleRule::SHORTEST_PAUSE;
        for mode in [IdleMode::Hybrid, IdleMode::Spin] {
            let mut rule = IdleRule::new(mode, 2);
            rule.lost_its_cpu(NOW);
            assert!(!spins(&rule, None), "{mode:?}");
            assert_eq!(rule.wake_at(NOW, after(500)), after(500), "{mode:?}: it may not spin for the rest");
            assert!(rule.spin_until(NOW + first, None) > NOW + first, "{mode:?}");

            let mut at = NOW + first;
            for pause in [2, 4, 8, 16, 32, 64, 64].map(|times| Nanos(first.0 * times)) {
                rule.lost_its_cpu(at);
                assert_eq!(rule.pauses_until.since(at), pause, "{mode:?}");
                at = rule.pauses_until;
            }
            at += rule.pause;
            rule.lost_its_cpu(at);
            assert_eq!(rule.pauses_until.since(at), first, "{mode:?}: it had its CPU for long");
        }
    }
}
