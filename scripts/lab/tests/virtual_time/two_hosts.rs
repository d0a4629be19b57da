//! Two hosts on one wire: what one sends the other receives, and pressure goes from one to the other.

use lab::runner::simulate_figures;
use lab::settings::RunSettings;
use proptest::prelude::*;
use shared::exec::Virtual;
use shared::report::{RunReport, UpReport};
use shared::units::Nanos;

use super::setup::settings_of;

const FAR_ADDRESS: &str = "address=10.0.0.2/24";

fn two(near: &[&str], far: &[&str]) -> RunSettings {
    let far = settings_of(&[far, &[FAR_ADDRESS]].concat(), Nanos::ZERO);
    RunSettings { far: Some(Box::new(far)), ..settings_of(near, Nanos::ZERO) }
}

/// The reports of both hosts, whose ledgers balance.
fn run(near: &[&str], far: &[&str]) -> (RunReport, RunReport) {
    let mut near = simulate_figures(&two(near, far), Virtual::default()).unwrap();
    let far = *near.far.take().unwrap();
    for host in [&near, &far] {
        assert!(host.ledger.balanced, "{:?}", host.ledger.violations);
        assert_eq!(host.ring.occupancy_ns, host.ring.held_ns, "Little's law");
        let totals = host.up.as_ref().unwrap().totals;
        let fates = totals.delivered + totals.consumed + totals.dropped + totals.in_flight + totals.lost;
        assert_eq!(totals.received, fates);
    }
    // What one driver has sent is what the other one has read, once nothing is on the wire any more.
    let sent = |host: &RunReport| host.driver.as_ref().unwrap().sent;
    let read = |host: &RunReport| host.driver.as_ref().unwrap().up.unwrap().submitted;
    assert_eq!((sent(&near), sent(&far)), (read(&far), read(&near)));
    assert_eq!((read(&near), read(&far)), (up(&near).totals.received, up(&far).totals.received));
    (near, far)
}

fn up(host: &RunReport) -> &UpReport {
    host.up.as_ref().unwrap()
}

#[test]
fn a_sink_sees_every_packet_in_order_and_neighbours_are_found_by_asking() {
    let (near, far) = run(&["app=bulk:size=1472B", "packets=2000"], &["app=sink:port=9"]);
    let sink = &up(&far).sockets[0];
    assert_eq!((near.totals.delivered, sink.received, sink.checked), (2000, 2000, 2000));
    assert_eq!((sink.missing, sink.reordered, sink.duplicates, sink.dropped), (0, 0, 0, 0));
    assert_eq!(sink.received_bytes, 2000 * 1472);
    // The far host answered one request for its address.
    assert_eq!((up(&far).consumed["ARP"], up(&near).consumed["ARP"]), (1, 1));
    assert_eq!((near.stack.unwrap().totals.delivered, far.stack.unwrap().totals.delivered), (1, 1));
}

#[test]
fn a_request_comes_back_after_its_time_on_both_links() {
    let near = ["app=reqresp:via=echo,think=1ms,to=10.0.0.2:7", "packets=100", "link=1Gbit"];
    let (near, far) = run(&near, &["app=echo:port=7", "link=100Mbit"]);
    let answers = &up(&near).sockets[0];
    assert_eq!((answers.round_trip_ns.count, answers.timeouts, answers.missing), (100, 0, 0));
    // 12 304 ns there at 1 Gbit/s, and 123 040 ns back at 100 Mbit/s.
    let (median, both) = (answers.round_trip_ns.p50.unwrap(), 12_304 + 123_040);
    assert!((both..=both + both / 1000).contains(&median), "{median}");
    let echo = &far.apps[0];
    assert_eq!((echo.totals.offered, echo.totals.delivered, up(&far).sockets[0].received), (100, 100, 100));
}

#[test]
fn a_slower_far_host_holds_the_near_one_up_and_nothing_is_lost() {
    let near = ["app=bulk", "packets=3000", "link=1Gbit", "depth=8"];
    let (near, far) = run(&near, &["app=sink:port=9", "link=100Mbit", "rx-depth=2"]);
    assert_eq!((near.totals.dropped, up(&far).sockets[0].received, up(&far).sockets[0].missing), (0, 3000, 0));
    let backend = near.driver.as_ref().unwrap().backend.as_ref().unwrap();
    // It sends at the far host's pace but for what the wire and the rings hold; at the end it waits for the other host.
    let sending = near.elapsed_ns - 100_000_000;
    assert!(backend.blocked_ns > sending * 9 / 10, "{backend:?} of {sending}");
    assert!(near.blocked.total_ns > u128::from(sending) * 9 / 10, "{} of {sending}", near.blocked.total_ns);
    assert!(near.elapsed_ns > 2_900 * 123_040, "{}", near.elapsed_ns);
    // The hardware waits for the wire, which is no fault of the machine; and the latency is still split to the nanosecond.
    assert_eq!((near.hardware.as_ref().unwrap().starved_ns, near.warnings.len()), (0, 0), "{:?}", near.warnings);
    let split = near.latency_split.unwrap();
    let places: u128 = split.places().iter().map(|(_, span)| span).sum();
    assert_eq!((split.packets, places, split.hardware.is_some()), (3001, split.latency_ns, true));
}

#[test]
fn an_app_that_does_not_keep_up_loses_what_its_queue_cannot_hold() {
    // The echo waits for its slow hardware, so its queue fills; the ring is never held up.
    let near = ["app=cbr:load=0.9,to=10.0.0.2:7", "packets=2000", "link=1Gbit"];
    let (_, far) = run(&near, &["app=echo:port=7,queue=16", "latency=100us", "depth=1", "hw-queue=1"]);
    let (up, echo) = (up(&far), &up(&far).sockets[0]);
    assert!(up.drops["SOCKET_QUEUE_FULL"] == echo.dropped && echo.dropped > 0, "{up:?}");
    assert_eq!(up.totals.received, up.totals.delivered + up.totals.consumed + up.totals.dropped + up.totals.in_flight);
}

#[test]
fn answers_that_find_no_room_are_refused_and_hold_nothing_up() {
    // Each datagram to a port without a socket is answered, but the far hardware sends one frame a millisecond.
    let near = ["app=cbr:load=0.5,size=100B,to=10.0.0.2:4444", "packets=2000", "link=1Gbit"];
    let (near, far) = run(&near, &["app=sink:port=9", "latency=1ms", "depth=1", "hw-queue=1"]);
    let own = far.stack.as_ref().unwrap().totals;
    assert_eq!((near.totals.delivered, up(&far).drops["UDP_NO_SOCKET"]), (2000, 2000));
    // One of them answers the request for the address.
    assert_eq!((own.offered, own.accepted + own.refused), (2001, 2001));
    assert!(own.refused > 1900 && own.delivered > 16, "{own:?}");
    assert_eq!(up(&near).consumed["ICMP"], own.delivered - 1);
}

#[test]
fn a_hop_that_does_not_answer_is_unreachable_and_others_are_not_held_up() {
    let near = ["app=bulk:name=lost,to=10.0.0.77:9", "app=bulk:name=found", "packets=50", "link=1Gbit"];
    let (near, far) = run(&near, &["app=sink:port=9"]);
    let [lost, found] = [&near.apps[0].totals, &near.apps[1].totals];
    assert_eq!((found.delivered, lost.delivered, near.refusals["NEIGHBOUR_UNREACHABLE"]), (50, 0, 1));
    assert_eq!(up(&far).sockets[0].received, 50);
    // The hop is asked three times in three seconds, and the others are done long before.
    assert_eq!(near.stack.as_ref().unwrap().totals.offered, 3 + 1);
    assert!(near.elapsed_ns > 3_000_000_000, "{}", near.elapsed_ns);
}

#[test]
fn a_host_that_only_receives_goes_on_for_as_long_as_the_other_sends() {
    // Longer than the drain timeout of either.
    let (near, far) = run(&["app=cbr:rate=100pps", "duration=15s"], &["app=sink:port=9"]);
    assert_eq!((near.totals.delivered, up(&far).sockets[0].received), (1500, 1500));
    assert!(near.elapsed_ns < 16_000_000_000, "{}", near.elapsed_ns);
}

#[test]
fn reruns_are_byte_identical() {
    let settings = two(
        &["app=poisson:load=0.8", "app=reqresp:via=echo,to=10.0.0.2:7", "packets=500"],
        &["app=echo:port=7", "app=sink:port=9"],
    );
    let report = || serde_json::to_string(&simulate_figures(&settings, Virtual::default()).unwrap()).unwrap();
    assert_eq!(report(), report());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Echoes at both ends and traffic both ways, on rings of any depth from 1 on: it ends, and every frame is accounted.
    #[test]
    fn full_rings_both_ways_do_not_deadlock(
        depths in prop::array::uniform4(1u32..4),
        hw_queues in prop::array::uniform2(1u32..4),
        slow in any::<bool>(),
        policy in prop::sample::select(vec!["wait", "drop-newest", "drop-oldest", "deadline=1ms"]),
        seed in 1u64..1000,
    ) {
        let [depth, rx_depth, far_depth, far_rx_depth] = depths.map(|depth| depth.to_string());
        let [near_queue, far_queue] = hw_queues.map(|queue| queue.to_string());
        let link = if slow { "10Mbit" } else { "1Gbit" };
        let flags = |depth: &str, rx: &str, queue: &str, link: &str, to: &str| -> Vec<String> {
            vec![
                format!("depth={depth}"), format!("rx-depth={rx}"), format!("hw-queue={queue}"), format!("link={link}"),
                format!("policy={policy}"), format!("seed={seed}"), "packets=60".to_owned(),
                format!("app=poisson:load=3,to={to}:7"), "app=echo:port=7".to_owned(),
                format!("app=cbr:load=0.5,size=100B,to={to}:9"), "app=sink:port=9".to_owned(),
            ]
        };
        let near = flags(&depth, &rx_depth, &near_queue, "1Gbit", "10.0.0.2");
        let far = flags(&far_depth, &far_rx_depth, &far_queue, link, "10.0.0.1");
        let near: Vec<&str> = near.iter().map(String::as_str).collect();
        let far: Vec<&str> = far.iter().map(String::as_str).collect();
        let settings = two(&near, &far);
        let near = simulate_figures(&settings, Virtual::default()).unwrap();
        for host in [&near, near.far.as_ref().unwrap()] {
            prop_assert!(host.ledger.balanced, "{:?}", host.ledger.violations);
            let stack = host.stack.as_ref().unwrap().totals;
            prop_assert_eq!(stack.offered, stack.accepted + stack.refused);
        }
    }
}
