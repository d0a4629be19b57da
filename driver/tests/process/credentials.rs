//! Whose processes are served: those of the driver's own user, and of users that were named. Only root can
//! play two users, so anybody else sees nothing of this but the unit tests.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;

use rustix::process::getuid;
use shared::control::{RefuseCode, TransportKind};
use shared::testing::{Stack, skipped};

use super::driver::{Driver, command, folder};

/// A user without anything.
const UNPRIVILEGED: u32 = 65_534;

#[test]
fn a_user_who_was_not_named_is_refused_and_one_who_was_is_served() {
    if !getuid().is_root() {
        skipped("only root can play two users");
        return;
    }
    for (flags, served) in [(vec![], false), (vec!["--allow-uid=0"], true), (vec!["--allow-uid=7"], false)] {
        let folder = folder();
        chown(folder.path(), Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
        let mut command = command(&flags);
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        let mut driver = Driver::start_as(command, &folder.path().join("driver.sock"));
        let mut stack = Stack::greet(&driver.socket, TransportKind::Shm, 4);
        if served {
            stack.accepted();
        } else {
            let refuse = stack.refused();
            assert_eq!(refuse.code, RefuseCode::NotAllowed);
            assert!(refuse.reason.contains("--allow-uid 0"), "{}", refuse.reason);
            drop(stack);
            assert!(driver.says().contains("belongs to user 0"));
        }
    }
}
