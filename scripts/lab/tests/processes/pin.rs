//! `--pin`: the CPUs that both processes may use.

use rustix::process::Signal;
use rustix::thread::sched_getaffinity;
use tempfile::TempDir;

use crate::lab::Running;
use crate::skipped::skipped;

#[test]
fn each_process_has_its_own_cpu_under_auto_and_all_that_the_lab_has_under_none() {
    let own = sched_getaffinity(None).unwrap();
    if own.count() == 1 {
        skipped("there is only one CPU");
        return;
    }
    let folder = TempDir::new().unwrap();
    for (mode, pinned) in [(None, false), (Some("none"), false), (Some("auto"), true)] {
        let run = Running::start_as(&folder.path().join("report"), folder.path(), |lab| {
            lab.envs(mode.map(|mode| ("PUSHBACK_PIN", mode)));
        });
        let [stack, driver] =
            ["netstack", "driver"].map(|name| sched_getaffinity(Some(run.child(name).unwrap())).unwrap());
        run.signal(Signal::TERM);
        run.end();
        if pinned {
            assert_eq!((stack.count(), driver.count()), (1, 1));
            assert_ne!(stack, driver);
        } else {
            assert_eq!((stack, driver), (own, own), "{mode:?}");
        }
    }
}
