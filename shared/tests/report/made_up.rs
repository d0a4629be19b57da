//! Made-up reports. All their numbers are different and unrelated, so that a test notices if two are mixed up.

use std::collections::BTreeMap;

use serde_json::json;
use shared::ledger::{Doorbells, IdleStats};
use shared::report::{
    AppReport, BackpressureReport, BlameReport, BlameRow, BlockedReport, BudgetReport, ComponentBudget, ConfigReport,
    DriverReport, Ending, EstimateReport, FairnessReport, FigureReport, HardwareReport, HardwareSplit, HostReport,
    JudgedReport, LedgerReport, MeasuredReport, Origin, ProcessBudget, ProcessReport, RUN_SCHEMA, RateReport,
    RingReport, RunReport, Sample, SocketReport, SplitReport, StageReport, SteadyReport, Summary, TheoryReport, Totals,
    UpReport, UpRingReport, UpTotals, Verdict, WakesReport, WakeupsReport, Warning, WarningCode,
};
use shared::units::Nanos;

/// One app, `wait`, nothing lost.
#[allow(clippy::too_many_lines, reason = "one value, field by field")]
pub(crate) fn finished() -> RunReport {
    let totals = Totals {
        offered: 406_371,
        accepted: 406_370,
        refused: 1,
        delivered: 406_370,
        loss_ratio: Some(0.0),
        ..Totals::default()
    };
    let rate = RateReport { packets_per_second: Some(81_274.02), bits_per_second: Some(957_082_862.5) };
    RunReport {
        schema: RUN_SCHEMA.to_owned(),
        config: ConfigReport {
            netstack: json!({ "policy": "wait", "transport": "socket", "dispatch": "static", "depth": 1024 }),
            driver: json!({ "link": "1Gbit", "hw_queue": 256 }),
            simulate: None,
            far: None,
        },
        stalls_since_ns: None,
        seed: 17,
        clock: "real".to_owned(),
        host: Some(HostReport {
            name: "example".to_owned(),
            kernel: "6.1.2".to_owned(),
            cpu: "Example CPU 3000".to_owned(),
            cpus: 8,
            git_revision: "0123456789ab".to_owned(),
        }),
        origin: Origin {
            date: Some("2026-11-27T07:59:59Z".to_owned()),
            command_line: Some(vec!["netstack".to_owned(), "--duration=5s".to_owned()]),
            ..Origin::of_program()
        },
        arrivals_digest: "89abcdef01234567".to_owned(),
        ending: Ending::Finished,
        elapsed_ns: 5_012_345_678,
        totals,
        ledger: LedgerReport { balanced: true, violations: Vec::new() },
        drops: BTreeMap::new(),
        refusals: BTreeMap::from([("GAVE_UP".to_owned(), 1)]),
        rate,
        sojourn_ns: times(12_601_234, 1_000),
        latency_ns: times(12_712_345, 1_100),
        latency_split: Some(split()),
        distributions: Default::default(),
        steady: None,
        theory: None,
        estimate: None,
        budget: None,
        blocked: BlockedReport {
            stops: 21_345,
            wakes: 21_344,
            total_ns: 4_876_543_210,
            stages: stages([(0, 0), (0, 0), (21_346, 4_876_543_210)]),
        },
        blame: None,
        backpressure: BackpressureReport { full_to_stop_ns: times(210, 21_345), room_to_send_ns: times(5_432, 21_346) },
        fairness: None,
        ring: RingReport {
            depth: 1024,
            wake_point: 512,
            txqueue: 0,
            capacity: 1024,
            occupancy_mean: 1019.273,
            occupancy_max: 1024,
            occupancy_p50: 1022,
            occupancy_p99: 1023,
            occupancy_ns: 3_072_000_000,
            held_ns: 3_071_000_000,
        },
        hardware: Some(HardwareReport {
            starved_ns: 1_234_567,
            busy_ns: 4_999_876_543,
            stalled_ns: 0,
            occupancy_max: 255,
            active_ns: 5_001_234_567,
            queued_ns: 1_234_567_890_123,
            delayed_ns: 98_765_432,
        }),
        doorbells: Doorbells { rung: 13_579, suppressed: 2_468, spurious: 12, missed: 3 },
        wakes: WakesReport { netstack_per_thousand: Some(16.71), driver_per_thousand: Some(24.3) },
        wakeups: WakeupsReport { late_ns: times(21_000, 2_345) },
        violation: None,
        apps: vec![app("bulk", "bulk:name=bulk,size=1472B", totals, rate)],
        stack: None,
        far: None,
        up: None,
        apps_without_quantiles: 0,
        series_interval_ns: 1_000_000_000,
        series: vec![Sample { time_ns: 1_000_000_000, delivered: 81_000, ..Sample::default() }],
        process: process(2_345_678_901, 6_789),
        lines_dropped: 0,
        driver: Some(driver()),
        warnings: Vec::new(),
    }
}

/// Where its packets spent their latency; the places add up to it.
fn split() -> SplitReport {
    SplitReport {
        packets: 406_370,
        latency_ns: 5_165_915_637_650,
        source_ns: 45_149_637_650,
        budget_ns: 11_000_000,
        neighbour_ns: 2_000_000,
        stack_ns: 0,
        room_ns: 4_876_543_210,
        device_queue_ns: 0,
        ring_ns: 3_876_543_123_456,
        hardware_ns: 1_239_333_333_334,
        hardware: Some(HardwareSplit { queue_ns: 1_234_234_690_780, link_ns: 4_999_876_543, delay_ns: 98_766_011 }),
    }
}

/// Who held the slots while two apps waited for room: each row adds up to 3 slots times the blocked time.
fn blame() -> BlameReport {
    let row = |blocked_ns: u128, held_ns: [u128; 2], stalled_ns| BlameRow {
        blocked_ns,
        free_ns: 3 * blocked_ns - held_ns.iter().sum::<u128>(),
        held_ns: held_ns.to_vec(),
        stack_ns: 0,
        stalled_ns,
    };
    BlameReport {
        depth: 3,
        apps: vec!["voice".to_owned(), "backup".to_owned()],
        others: 0,
        rows: vec![
            row(345_678_901, [12_345_678, 1_004_567_890], Some(23_456_789)),
            row(98_765_432, [45_678_901, 234_567_890], Some(0)),
        ],
    }
}

/// Two apps, `drop-oldest`, stopped by a signal.
pub(crate) fn interrupted() -> RunReport {
    let sum = Totals {
        offered: 1_000_457,
        accepted: 1_000_400,
        refused: 57,
        delivered: 700_200,
        dropped: 300_193,
        in_flight: 7,
        lost: 0,
        loss_ratio: Some(0.300_072_97),
    };
    let share = |offered, dropped, loss| Totals { offered, dropped, loss_ratio: Some(loss), ..sum };
    let rate =
        |bits_per_second| RateReport { packets_per_second: Some(40_506.07), bits_per_second: Some(bits_per_second) };
    RunReport {
        config: ConfigReport {
            netstack: json!({ "policy": "drop-oldest", "transport": "socket" }),
            driver: json!({ "link": "10Mbit" }),
            simulate: None,
            far: None,
        },
        ending: Ending::Interrupted,
        elapsed_ns: 987_654_321,
        totals: sum,
        drops: BTreeMap::from([("DEVICE_RING_FULL".to_owned(), 300_123), ("DRIVER_BAD_HEADER".to_owned(), 70)]),
        refusals: BTreeMap::from([("WOULD_BLOCK".to_owned(), 38), ("NOT_REACHED".to_owned(), 19)]),
        ring: RingReport { depth: 3, txqueue: 61, capacity: 64, occupancy_mean: 2.71, ..finished().ring },
        apps: vec![
            app("voice", "cbr:name=voice,size=160B,rate=64kbit", share(400_011, 100_022, 0.123), rate(64_321.0)),
            app("backup", "poisson:name=backup,load=1.5", share(600_446, 200_171, 0.3456), rate(9_876_543.0)),
        ],
        blame: Some(blame()),
        fairness: Some(FairnessReport {
            jain_index: Some(0.5131),
            max_min_deviation: Some(-0.4321),
            app: Some("voice".to_owned()),
        }),
        warnings: vec![Warning::new(
            WarningCode::HardwareStarved,
            "the hardware starved for 1.23 % of the time: the machine, not the model, set the result",
        )],
        ..finished()
    }
}

/// Several runs in virtual time, and a model that fits them.
pub(crate) fn estimated() -> RunReport {
    let figure = |mean, half_width| FigureReport { mean, half_width: Some(half_width), below: None };
    RunReport {
        clock: "virtual".to_owned(),
        steady: Some(SteadyReport { after_ns: 500_000_000, offered: 365_432, ..SteadyReport::default() }),
        theory: Some(TheoryReport {
            model: "M/M/1/8 at load 0.9".to_owned(),
            loss_ratio: 0.070_271,
            sojourn_mean_ns: 48_641.5,
            packets_per_second: 68_123.4,
            admitted: None,
            measured: MeasuredReport {
                loss_is: "dropped / accepted".to_owned(),
                sojourn_is: "from acceptance".to_owned(),
                since_ns: 500_000_000,
                loss_ratio: Some(0.071_345),
                sojourn_mean_ns: Some(48_987.6),
                packets_per_second: Some(67_890.1),
                admitted: None,
            },
            verdict: Some(Verdict::Yes),
            agrees: Some(true),
            judged: Some(JudgedReport { figures: 3, joint_level: 0.95, level: 1.0 - 0.05 / 3.0 }),
            findings: vec!["loss ratio 0.071345 agrees with 0.070271 of M/M/1/K".to_owned()],
        }),
        estimate: Some(EstimateReport {
            level: 0.95,
            precision: Some(0.01),
            random: true,
            replications: 23,
            first_seed: 17,
            last_seed: 39,
            packets: 4_567_890,
            loss_ratio: figure(0.071_345, 0.000_654),
            sojourn_mean_ns: figure(48_987.6, 321.9),
            packets_per_second: figure(67_890.1, 76.54),
        }),
        ..finished()
    }
}

/// A run that was profiled, by a user who may not sample the kernel.
pub(crate) fn profiled() -> RunReport {
    let component = |name: &str, samples, share, ns_per_packet, error_ns| ComponentBudget {
        name: name.to_owned(),
        samples,
        share,
        ns_per_packet,
        error_ns,
    };
    let netstack = ProcessBudget {
        samples: 11_851,
        ns_per_packet: 128.4,
        spin: component("spin", 12, 0.001_012, 0.129, 0.037_4),
        components: vec![component("udp", 2_522, 0.213, 27.23, 0.542), component("ring", 9_317, 0.787, 101.17, 1.041)],
    };
    let driver = ProcessBudget {
        samples: 11_825,
        ns_per_packet: 67.35,
        spin: component("spin", 5_593, 0.473, 60.41, 0.808),
        components: vec![component("copy", 6_232, 1.0, 67.35, 0.853)],
    };
    RunReport { budget: Some(BudgetReport::new(Nanos(250_689), false, 406_370, netstack, driver)), ..finished() }
}

/// The driver died while it held frames, which are lost.
pub(crate) fn peer_failed() -> RunReport {
    let totals = Totals {
        offered: 2_000,
        accepted: 1_990,
        refused: 10,
        delivered: 966,
        lost: 1_024,
        loss_ratio: Some(0.0),
        ..Totals::default()
    };
    RunReport {
        config: ConfigReport {
            netstack: json!({ "policy": "deadline=5ms" }),
            driver: json!(null),
            simulate: None,
            far: None,
        },
        ending: Ending::PeerFailed("the driver closed the connection without a farewell".to_owned()),
        totals,
        ledger: LedgerReport {
            balanced: false,
            violations: vec!["totals: offered is 2000, but accepted + refused is 2001".to_owned()],
        },
        hardware: None,
        driver: None,
        ..finished()
    }
}

/// Many apps that share their histograms: number 0 was blocked least, except that number 7 was not blocked at all.
pub(crate) fn crowded() -> RunReport {
    let finished = finished();
    let totals = Totals {
        offered: 3_000,
        accepted: 2_500,
        refused: 500,
        delivered: 2_000,
        dropped: 500,
        loss_ratio: Some(0.2),
        ..Totals::default()
    };
    let unknown = |times: Summary| Summary { p50: None, p90: None, p99: None, p999: None, ..times };
    let apps = (0..25).map(|number: u32| {
        let blocked_ns = if number == 7 { 0 } else { 1_000_000_000 + u128::from(number) * 100_000_000 };
        let waits = StageReport { total_ns: blocked_ns, waits_ns: unknown(times(228_456, 9)) };
        AppReport {
            sojourn_ns: unknown(times(3_456_789, 77)),
            latency_ns: unknown(times(45_678_912, 78)),
            blocked: BTreeMap::from([("room".to_owned(), waits)]),
            ..app(&format!("bulk-{number}"), &format!("bulk:name=bulk-{number},size=1472B"), totals, finished.rate)
        }
    });
    RunReport { apps: apps.collect(), apps_without_quantiles: 25, ..finished }
}

fn times(median: u64, count: u64) -> Summary {
    Summary {
        p50: Some(median),
        p90: Some(median + 111_111),
        p99: Some(median + 1_222_222),
        p999: Some(median + 13_333_333),
        ..Summary::without_quantiles(count, median as f64 * 1.01, median * 40)
    }
}

fn stages(waits: [(u64, u128); 3]) -> BTreeMap<String, StageReport> {
    let stage = |(count, total_ns): (u64, u128)| {
        let waits_ns = if count == 0 { Summary::default() } else { times(228_456, count) };
        StageReport { total_ns, waits_ns }
    };
    ["budget", "neighbour", "room"].map(str::to_owned).into_iter().zip(waits.map(stage)).collect()
}

fn app(name: &str, spec: &str, totals: Totals, rate: RateReport) -> AppReport {
    AppReport {
        name: name.to_owned(),
        spec: spec.to_owned(),
        totals,
        rate,
        sojourn_ns: times(3_456_789, 77),
        latency_ns: times(45_678_912, 78),
        blocked: stages([(3, 1_111_111), (0, 0), (4, 2_222_222)]),
    }
}

fn process(cpu_ns: u64, sleeps: u64) -> ProcessReport {
    ProcessReport {
        cpu_ns,
        idle: IdleStats { spin_ns: 543_210_987, sleep_ns: 1_765_432_109, sleeps },
        doorbells: Doorbells { rung: 7, suppressed: 8, spurious: 9, missed: 0 },
    }
}

fn driver() -> DriverReport {
    DriverReport {
        generation: 2,
        received: 406_369,
        sent: 406_368,
        held_max: 1_021,
        ended: "finished".to_owned(),
        process: process(3_456_789_012, 9_876),
        ..DriverReport::default()
    }
}

/// A run with a way up, beside a second host.
pub(crate) fn two_hosts() -> RunReport {
    let far = RunReport { up: Some(up()), ..finished() };
    let own = Totals { offered: 1_407, accepted: 1_404, refused: 3, delivered: 1_404, ..Totals::default() };
    let stack = app("stack", "the stack itself", own, RateReport::default());
    RunReport { up: Some(up()), stack: Some(stack), far: Some(Box::new(far)), ..finished() }
}

fn up() -> UpReport {
    let socket = SocketReport { name: "sink-1".to_owned(), port: 9, received: 123_400, ..SocketReport::default() };
    UpReport {
        totals: UpTotals {
            received: 125_023,
            delivered: 123_500,
            consumed: 1_404,
            dropped: 102,
            in_flight: 17,
            lost: 0,
        },
        received_bytes: 189_284_822,
        consumed: [("ARP".to_owned(), 4), ("ICMP".to_owned(), 1_400)].into(),
        drops: [("SOCKET_QUEUE_FULL".to_owned(), 88), ("UDP_NO_SOCKET".to_owned(), 14)].into(),
        ring: UpRingReport { depth: 512 },
        sockets: vec![
            SocketReport { checked: 123_400, missing: 21, reordered: 5, latency_ns: times(42_000, 123_400), ..socket },
            SocketReport {
                name: "ask".to_owned(),
                port: 49_153,
                received: 100,
                round_trip_ns: times(987_654, 100),
                timeouts: 7,
                ..SocketReport::default()
            },
        ],
    }
}
