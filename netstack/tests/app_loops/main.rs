//! The apps' loops in virtual time, over a fake socket: which packets are offered, when they are sent, and that the
//! ledger balances however a run ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fake;

use std::net::{IpAddr, Ipv4Addr};

use netstack::app::{Horizon, arrivals_digest};
use netstack::error::SendError;
use proptest::prelude::*;
use shared::ledger::RefuseReason;
use shared::units::Nanos;

use fake::{Behaviour, Outcome, resolve, simulate};

/// Later than anything in these tests.
const NEVER: Nanos = Nanos::from_secs(3600);

const fn us(micros: u64) -> Nanos {
    Nanos::from_micros(micros)
}

fn refused(outcome: &Outcome, reason: RefuseReason) -> u64 {
    outcome.counters.refused_for(reason)
}

#[test]
fn an_open_loop_sends_at_its_intended_times_before_the_horizon() {
    let outcome = simulate("cbr:rate=100kpps", Behaviour::Ready, Horizon::Until(us(40)), NEVER);
    assert_eq!(outcome.times(), [0, 10, 20, 30], "the packet intended for 40 us is at the horizon");
    assert_eq!(outcome.intended(), outcome.times());
    assert_eq!(outcome.done, us(30), "there is nothing left to wait for");
}

#[test]
fn an_open_loop_offers_the_number_of_packets_of_its_horizon() {
    let outcome = simulate("cbr:rate=100kpps", Behaviour::Ready, Horizon::Packets(3), NEVER);
    assert_eq!(outcome.times(), [0, 10, 20]);
    let outcome = simulate("cbr:rate=100kpps", Behaviour::Ready, Horizon::Packets(0), NEVER);
    assert_eq!(outcome.counters.offered, 0);
}

#[test]
fn packets_carry_their_number() {
    let outcome = simulate("bulk:size=3B", Behaviour::Ready, Horizon::Packets(300), NEVER);
    assert!(outcome.sent.iter().map(|sent| sent.stamp.sequence).eq(0..300));
    assert_eq!(outcome.sent[298].ends, [0, 42], "the lowest bytes of the number");
    let outcome = simulate("bulk:size=1B", Behaviour::Ready, Horizon::Packets(300), NEVER);
    assert_eq!(outcome.sent[299].ends, [43, 43]);
}

#[test]
fn a_packet_of_a_batch_that_was_not_sent_is_the_next_one_again() {
    for fit in [1, 3, 63] {
        let outcome = simulate("bulk:size=1B", Behaviour::SendsOf(Nanos::ZERO, fit), Horizon::Packets(300), NEVER);
        assert!(outcome.sent.iter().map(|sent| sent.stamp.sequence).eq(0..300), "{fit} at a time");
        assert!(outcome.sent.iter().all(|sent| sent.ends == [sent.stamp.sequence as u8; 2]));
    }
}

#[test]
fn wait_catches_up_without_sleeping_and_skip_never_falls_behind() {
    let (behaviour, horizon) = (Behaviour::BlocksUntil(us(25)), Horizon::Until(us(50)));
    let waited = simulate("cbr:rate=100kpps", behaviour, horizon, NEVER);
    assert_eq!(waited.times(), [25, 25, 25, 30, 40]);
    assert_eq!(waited.intended(), [0, 10, 20, 30, 40]);
    let skipped = simulate("cbr:rate=100kpps,when-blocked=skip", behaviour, horizon, NEVER);
    assert_eq!((skipped.times(), skipped.intended()), (vec![30, 40], vec![30, 40]));
    assert_eq!(refused(&skipped, RefuseReason::WouldBlock), 3);
    assert_eq!(skipped.counters.offered, waited.counters.offered);
}

#[test]
fn an_app_that_is_behind_its_schedule_catches_up_in_batches_as_it_would_one_by_one() {
    for spec in ["cbr:rate=100kpps", "poisson:rate=1Mpps", "onoff:rate=1Mpps,on=7us,off=20us"] {
        for horizon in [Horizon::Until(us(200)), Horizon::Packets(9), Horizon::Packets(10)] {
            let single = simulate(spec, Behaviour::BlocksUntil(us(75)), horizon, us(90));
            for fit in [0, 1, 3, 99] {
                let batched = simulate(spec, Behaviour::SendsOf(us(75), fit), horizon, us(90));
                assert_eq!((&batched.sent, batched.counters), (&single.sent, single.counters), "{spec}, {fit}");
            }
        }
    }
}

#[test]
fn packets_that_the_app_did_not_get_to_are_offered_and_refused() {
    let outcome = simulate("cbr:rate=100kpps", Behaviour::BlocksUntil(NEVER), Horizon::Until(us(50)), us(50));
    assert_eq!((outcome.counters.offered, outcome.done), (5, us(50)));
    assert_eq!((refused(&outcome, RefuseReason::GaveUp), refused(&outcome, RefuseReason::NotReached)), (1, 4));
}

/// Drawing these packets one by one would take hours.
#[test]
fn an_absurd_rate_is_counted_without_drawing_each_packet() {
    let (long, second) = (Nanos::from_secs(1800), Nanos::from_secs(1));
    let blocked = |spec: &str, end| simulate(spec, Behaviour::BlocksUntil(NEVER), Horizon::Until(long), end);
    for (end, offered) in [(long, 1_800_000_000_000), (second, 1_000_000_001)] {
        let cbr = blocked("cbr:rate=1Gpps", end);
        assert_eq!((cbr.counters.offered, refused(&cbr, RefuseReason::NotReached)), (offered, offered - 1));
        assert_eq!(cbr.done, end);
    }
    assert_eq!(blocked("onoff:rate=1Gpps,on=3us,off=2us", long).counters.offered, 1_080_000_000_000);
    let random = ["poisson:rate=1Gpps", "onoff:rate=1Gpps,on=3us,off=1us,distribution=exponential"];
    for (spec, share) in random.into_iter().zip([1.0, 0.75]) {
        let offered = blocked(spec, long).counters.offered;
        assert!((offered as f64 / 1.8e12 - share).abs() < 1e-4, "{spec}: {offered}");
    }
    let few = simulate(random[0], Behaviour::BlocksUntil(NEVER), Horizon::Packets(1_000_000_000_000), second);
    assert!(few.counters.offered.abs_diff(1_000_000_000) < 1_000_000, "{}", few.counters.offered);
    let all = simulate(random[1], Behaviour::BlocksUntil(NEVER), Horizon::Packets(1_000_000), second);
    assert_eq!(all.counters.offered, 1_000_000, "not more than the horizon");
}

/// The rate is computed up to the intended time of the packet after the last one, or up to the end of offering.
#[test]
fn the_measured_rate_of_a_schedule_is_the_configured_one() {
    for packets in [1, 2, 5] {
        for (spec, spans) in [("cbr:rate=40kpps", [25, 50, 125]), ("onoff:rate=40kpps,on=50us,off=30us", [25, 80, 185])]
        {
            let outcome = simulate(spec, Behaviour::Ready, Horizon::Packets(packets), NEVER);
            let span = match packets {
                1 => spans[0],
                2 => spans[1],
                _ => spans[2],
            };
            let expected = packets as f64 / (span as f64 * 1e-6);
            let rate = outcome.rate().unwrap();
            assert!((rate / expected - 1.0).abs() < 1e-9, "{packets} of {spec}: {rate}, not {expected}");
        }
    }
    let cut = simulate("cbr:rate=40kpps", Behaviour::Ready, Horizon::Until(us(110)), NEVER);
    assert!((cut.rate().unwrap() / (5.0 / 110e-6) - 1.0).abs() < 1e-9, "offering ended before the next was due");
    let late = simulate("cbr:rate=40kpps", Behaviour::Serves(us(400)), Horizon::Packets(2), NEVER);
    assert!((late.rate().unwrap() / (2.0 / 800e-6) - 1.0).abs() < 1e-9, "the last completion was later");
    let stopped = simulate("cbr:rate=40kpps", Behaviour::Ready, Horizon::Packets(9), us(60));
    assert!((stopped.rate().unwrap() / (3.0 / 60e-6) - 1.0).abs() < 1e-9, "it was ended before the next was due");
}

#[test]
fn a_closed_loop_has_a_rate_from_its_first_acceptance_to_its_last_completion() {
    for (packets, rate) in [(1, None), (2, Some(2.0 / 80e-6)), (5, Some(5.0 / 200e-6))] {
        let outcome = simulate("bulk", Behaviour::Serves(us(40)), Horizon::Packets(packets), NEVER);
        assert_eq!(outcome.rate().map(f64::round), rate.map(f64::round), "{packets}");
    }
}

#[test]
fn an_early_end_offers_only_packets_intended_up_to_the_end() {
    for horizon in [Horizon::Packets(1_000_000), Horizon::Until(us(5000))] {
        let asleep = simulate("cbr:rate=100kpps", Behaviour::Ready, horizon, us(25));
        assert_eq!((asleep.times(), asleep.counters.refused(), asleep.done), (vec![0, 10, 20], 0, us(25)));
        let blocked = simulate("cbr:rate=100kpps", Behaviour::BlocksUntil(NEVER), horizon, us(25));
        assert_eq!((blocked.counters.offered, blocked.counters.refused()), (3, 3));
        for behaviour in [Behaviour::Ready, Behaviour::BlocksUntil(NEVER)] {
            let outcome = simulate("cbr:rate=100kpps", behaviour, horizon, us(20));
            assert_eq!(outcome.counters.offered, 3, "a packet intended for the very end is offered");
        }
    }
    let few = simulate("cbr:rate=100kpps", Behaviour::BlocksUntil(NEVER), Horizon::Packets(2), us(25));
    assert_eq!((few.counters.offered, few.counters.refused()), (2, 2));
}

#[test]
fn an_app_that_never_waits_yields_after_64_packets() {
    // The socket is always ready, so no time passes between sends; the run ends at the same time.
    let bulk = simulate("bulk", Behaviour::Ready, Horizon::Packets(1000), Nanos::ZERO);
    assert_eq!((bulk.sent.len(), bulk.counters.refused()), (64, 0));
    // So far behind its schedule that all of these packets are due.
    let behind = simulate("cbr:rate=100Mpps", Behaviour::BlocksUntil(us(10)), Horizon::Packets(1000), us(10));
    assert_eq!((behind.sent.len(), refused(&behind, RefuseReason::NotReached)), (64, 1000 - 64));
}

#[test]
fn bulk_stops_at_the_horizon_even_if_the_run_goes_on() {
    let outcome = simulate("bulk", Behaviour::Serves(us(10)), Horizon::Until(us(25)), NEVER);
    assert_eq!(outcome.times(), [0, 10, 20, 30], "the last was offered at 20 us, and waited");
    assert_eq!(outcome.intended(), [0, 0, 10, 20]);
}

#[test]
fn a_blocked_bulk_notices_the_end() {
    let outcome = simulate("bulk", Behaviour::Serves(us(10)), Horizon::Until(us(25)), us(25));
    assert_eq!((outcome.times(), outcome.done), (vec![0, 10, 20], us(25)));
    assert_eq!(refused(&outcome, RefuseReason::GaveUp), 1);
}

#[test]
fn reqresp_thinks_after_each_response() {
    let outcome = simulate("reqresp:think=30us", Behaviour::Serves(us(10)), Horizon::Until(us(100)), NEVER);
    assert_eq!(outcome.times(), [0, 40, 80]);
    assert_eq!((outcome.intended(), outcome.done), (vec![0, 40, 80], us(90)));
    let outcome = simulate("reqresp:think=30us", Behaviour::Serves(us(10)), Horizon::Packets(2), NEVER);
    assert_eq!(outcome.times(), [0, 40]);
}

#[test]
fn a_closed_socket_stops_every_app() {
    for spec in ["cbr:rate=100kpps", "cbr:rate=100kpps,when-blocked=skip", "bulk", "reqresp"] {
        let outcome = simulate(spec, Behaviour::ClosesAt(Nanos::ZERO), Horizon::Packets(9), NEVER);
        assert_eq!((outcome.counters.offered, refused(&outcome, RefuseReason::Closed)), (1, 1), "{spec}");
        assert_eq!(outcome.done, Nanos::ZERO);
    }
}

#[test]
fn an_open_loop_continues_after_a_refusal_and_a_closed_loop_does_not() {
    for error in [SendError::NoRoute(IpAddr::V4(Ipv4Addr::LOCALHOST)), SendError::TooLarge { len: 1501, mtu: 1500 }] {
        for (spec, offered) in [
            ("cbr:rate=100kpps", 9),
            ("poisson:rate=100kpps,when-blocked=skip", 9),
            ("bulk", 1),
            ("reqresp:think=0us", 1),
        ] {
            let outcome = simulate(spec, Behaviour::Refuses(error), Horizon::Packets(9), NEVER);
            assert_eq!((outcome.counters.offered, refused(&outcome, error.reason())), (offered, offered), "{spec}");
        }
    }
}

#[test]
fn the_digest_depends_on_the_seed_and_not_on_when_blocked_or_budget() {
    let digest = |seed, spec| arrivals_digest(seed, &[resolve(spec)]);
    let waiting = digest(1, "poisson:load=2");
    assert_eq!(waiting, digest(1, "poisson:load=2,when-blocked=skip,budget=1MB"));
    assert_ne!(waiting, digest(2, "poisson:load=2"));
}

fn behaviours() -> impl Strategy<Value = Behaviour> {
    let times = || (0..600u64).prop_map(us);
    prop_oneof![
        Just(Behaviour::Ready),
        times().prop_map(Behaviour::BlocksUntil),
        (1..80u64).prop_map(us).prop_map(Behaviour::Serves),
        times().prop_map(Behaviour::ClosesAt),
        Just(Behaviour::Refuses(SendError::NoRoute(IpAddr::V4(Ipv4Addr::LOCALHOST)))),
    ]
}

fn horizons() -> impl Strategy<Value = Horizon> {
    prop_oneof![(0..600u64).prop_map(us).prop_map(Horizon::Until), (0..60u64).prop_map(Horizon::Packets)]
}

const FIXED: [&str; 2] = ["cbr:rate=100kpps", "onoff:rate=200kpps,on=50us,off=30us"];

const OPEN: [&str; 4] =
    [FIXED[0], FIXED[1], "poisson:rate=100kpps", "onoff:rate=200kpps,on=50us,off=30us,distribution=exponential"];

proptest! {
    /// For every app, behaviour of the socket and end of the run: each offered packet is accepted or refused, and each
    /// accepted packet is delivered, dropped, in flight or lost.
    #[test]
    fn the_ledger_balances_in_every_ending(
        spec in proptest::sample::select([&OPEN[..], &["bulk", "reqresp:think=20us"]].concat()),
        skip in any::<bool>(),
        behaviour in behaviours(),
        horizon in horizons(),
        end in (0..700u64).prop_map(us),
    ) {
        // Bulk on a socket that takes no time never reaches the horizon, because virtual time does not advance.
        prop_assume!(spec != "bulk" || !matches!(horizon, Horizon::Until(_)) || matches!(behaviour, Behaviour::Serves(_)));
        let skip = if skip && OPEN.contains(&spec) { ",when-blocked=skip" } else { "" };
        let outcome = simulate(&format!("{spec}{skip}"), behaviour, horizon, end);
        prop_assert_eq!(outcome.counters.check("app"), []);
        prop_assert!(outcome.done <= end);
        prop_assert!(outcome.sent.iter().all(|sent| sent.at >= sent.stamp.intended));
        prop_assert!(outcome.sent.is_sorted_by_key(|sent| sent.stamp.sequence));
    }

    /// The number of packets that an open loop offers depends on its schedule, the horizon and the end, and not on the
    /// socket. Fixed schedules only: for random ones the number of packets that the app did not get to is drawn as one
    /// number, which differs from drawing them one by one.
    #[test]
    fn offered_packets_do_not_depend_on_the_socket(
        spec in proptest::sample::select(&FIXED[..]),
        skip in any::<bool>(),
        behaviour in behaviours().prop_filter("a closed socket stops the app", |behaviour| {
            !matches!(behaviour, Behaviour::ClosesAt(_))
        }),
        horizon in horizons(),
        end in (0..700u64).prop_map(us),
    ) {
        let skip = if skip { ",when-blocked=skip" } else { "" };
        let free = simulate(spec, Behaviour::Ready, horizon, end);
        let outcome = simulate(&format!("{spec}{skip}"), behaviour, horizon, end);
        prop_assert_eq!(outcome.counters.offered, free.counters.offered);
    }
}
