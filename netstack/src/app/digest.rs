//! The digest of a run's arrivals, which shows whether two runs had the same.

use shared::units::Nanos;
use xxhash_rust::xxh3::Xxh3Default;

use super::resolve::{Draws, ResolvedApp};
use super::sizes::Lengths;

/// How many draws of each app are hashed. A fixed number, because the number of packets that a run sends depends on its
/// speed.
const DRAWS: usize = 65_536;

/// How many, in a run of more than [`FEW_APPS`] apps: with [`DRAWS`] of each of a thousand apps, the digest would take
/// as long as a simulation of millions of packets.
const DRAWS_OF_MANY: usize = 512;

/// The most apps of which [`DRAWS`] are hashed.
const FEW_APPS: usize = 64;

/// Hash of what `apps` draw from `seed`: kind, payload size (of a mix or a trace, the first 65 536) and the first 65 536 intended
/// times or think times of each (the first 512 if there are more than 64 apps), in order. Equal digests mean equal
/// arrivals.
///
/// Names, budgets and policies are not hashed. Neither is the seed itself, because apps without randomness send the
/// same under every seed.
pub fn arrivals_digest(seed: u64, apps: &[ResolvedApp]) -> String {
    let mut hash = Xxh3Default::new();
    let draws = if apps.len() > FEW_APPS { DRAWS_OF_MANY } else { DRAWS };
    for app in apps {
        hash.update(app.spec().kind().name().as_bytes());
        match app.lengths(seed) {
            Lengths::One(size) => hash.update(&(size as u64).to_le_bytes()),
            lengths => (0..draws as u64).for_each(|packet| hash.update(&(lengths.of(packet) as u64).to_le_bytes())),
        }
        if let Some(trace) = app.spec().trace() {
            hash.update(&trace.count().to_le_bytes());
        }
        match app.draws(seed) {
            Draws::None { .. } => {}
            Draws::Arrivals(mut arrivals, _) => update(&mut hash, draws, || arrivals.draw()),
            Draws::Think(mut think) => update(&mut hash, draws, || think.draw()),
        }
    }
    format!("{:016x}", hash.digest())
}

fn update(hash: &mut Xxh3Default, draws: usize, mut draw: impl FnMut() -> Nanos) {
    (0..draws).for_each(|_| hash.update(&draw().0.to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use super::super::{AppSpec, resolve_all};
    use super::*;
    use shared::units::{BitRate, Bytes, LinkRate};

    fn digest(seed: u64, specs: &[&str]) -> String {
        let specs: Vec<AppSpec> = specs.iter().map(|text| text.parse().unwrap()).collect();
        let apps = resolve_all(&specs, LinkRate::Limited(BitRate(1_000_000_000)), Bytes(1472)).unwrap();
        arrivals_digest(seed, &apps)
    }

    #[test]
    fn digests_are_equal_for_equal_arrivals_and_differ_for_others() {
        let poisson = digest(1, &["poisson:load=0.9"]);
        assert_eq!(poisson, digest(1, &["poisson:load=0.9,name=other,budget=1MB,when-blocked=skip"]));
        let others: [(u64, &[&str]); 6] = [
            (2, &["poisson:load=0.9"]),
            (1, &["poisson:load=0.91"]),
            (1, &["poisson:rate=0.9Gbit"]),
            (1, &["cbr:load=0.9"]),
            (1, &["poisson:load=0.9", "bulk"]),
            (1, &["bulk", "poisson:load=0.9"]),
        ];
        for (seed, specs) in others {
            assert_ne!(poisson, digest(seed, specs), "{seed} {specs:?}");
        }
    }

    #[test]
    fn apps_without_randomness_have_the_same_digest_under_every_seed() {
        let digest = |seed| digest(seed, &["cbr:load=2", "onoff:rate=10kpps", "bulk:size=22B", "reqresp"]);
        assert_eq!(digest(1), digest(2));
    }

    #[test]
    fn an_app_is_random_exactly_if_its_arrivals_depend_on_the_seed() {
        for (spec, random) in [
            ("bulk:burst=8", false),
            ("cbr:load=0.37", false),
            ("poisson:load=0.37", true),
            ("onoff:rate=10kpps,on=3ms", false),
            ("onoff:rate=10kpps,on=3ms,distribution=exponential", true),
            ("reqresp:think=1ms", false),
            ("reqresp:think=1ms,distribution=exponential", true),
            ("reqresp:think=0s,distribution=exponential", false),
            ("reqresp:think=1ms,distribution=pareto,shape=2", true),
            ("onoff:rate=10kpps,on=3ms,distribution=pareto,shape=1.5", true),
            ("onoff:rate=10kpps,on=3ms,phase=1ms", false),
            ("onoff:rate=10kpps,on=3ms,phase=random", true),
            ("bulk:size=64B:7/576B:4/1472B:1", true),
            ("bulk:size=64B:7", false),
        ] {
            assert_eq!(spec.parse::<AppSpec>().unwrap().is_random(), random, "{spec}");
            assert_eq!(digest(5, &[spec]) != digest(6, &[spec]), random, "{spec}");
        }
    }

    #[test]
    fn sizes_and_think_times_change_the_digest() {
        assert_ne!(digest(1, &["bulk"]), digest(1, &["bulk:size=22B"]));
        assert_ne!(digest(1, &["bulk:size=22B:1/64B:1"]), digest(1, &["bulk:size=22B:2/64B:1"]));
        let think = "reqresp:think=1ms,distribution=exponential";
        assert_ne!(digest(1, &[think]), digest(2, &[think]));
    }

    #[test]
    fn the_digest_of_many_apps_covers_the_draws_of_each() {
        let many: Vec<String> = (0..=FEW_APPS).map(|app| format!("poisson:load=0.0009,name=app{app}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let first = digest(1, &many);
        assert_eq!(first, digest(1, &many));
        assert_ne!(first, digest(2, &many));
        assert_ne!(first, digest(1, &[&many[..FEW_APPS], &["poisson:load=0.001"]].concat()), "the last app counts");
    }

    #[test]
    fn the_digest_is_the_same_on_every_machine() {
        assert_eq!(digest(1, &["poisson:load=0.9", "onoff:rate=10kpps,distribution=exponential"]), "8006914244a07d30");
    }
}
