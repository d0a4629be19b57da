//! A TAP interface: sent frames arrive at the kernel, and what the kernel sends through the interface arrives here.
//!
//! The interface is made if there is none of its name, which takes the capability `CAP_NET_ADMIN`, and is then gone
//! when the driver ends. A user without that capability attaches to one that was made for them with
//! `ip tuntap add dev NAME mode tap user USER`.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};
use shared::exec::Interest;
use shared::units::Nanos;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::Backend;
use super::choice::InterfaceName;

/// The device through which interfaces are made and attached to.
const CLONE_DEVICE: &str = "/dev/net/tun";

/// The largest IP packet that a slot holds.
const MTU: u16 = 1_500;

/// An attached TAP interface.
#[derive(Debug)]
pub struct Tap {
    name: InterfaceName,
    /// Reads and writes whole frames, without a header of the device, and does not block.
    frames: Arc<OwnedFd>,
    /// Why the interface was left down, if it was.
    down: Option<io::Error>,
    failure: Option<String>,
}

/// Why a TAP interface cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--backend tap={name}: {why}")]
pub struct TapError {
    name: InterfaceName,
    why: TapProblem,
}

/// What is missing or wrong, and the remedy.
#[derive(Debug, thiserror::Error)]
enum TapProblem {
    #[error(
        "this system has no {CLONE_DEVICE} ({0}); load it with modprobe tun, or pass the device on to the container"
    )]
    NoDevice(#[source] io::Error),
    #[error("{CLONE_DEVICE} may not be opened ({0}); allow this user, or the container, to read and write it")]
    DeviceForbidden(#[source] io::Error),
    #[error(
        "there is no such interface, and making one needs CAP_NET_ADMIN; make one as root with ip tuntap add dev {name} \
         mode tap user $USER, or start the driver under unshare -rn"
    )]
    MayNotMake { name: InterfaceName },
    #[error(
        "the interface belongs to another user, and attaching to it needs CAP_NET_ADMIN; make one as root with ip \
         tuntap add dev {name} mode tap user $USER"
    )]
    NotOwner { name: InterfaceName },
    #[error("another process is attached to the interface; stop it, or name another interface")]
    Busy,
    #[error(
        "there is an interface of that name that is no TAP interface with one queue; name another one, or remove it \
         with ip link del {name}"
    )]
    NotATap { name: InterfaceName },
    #[error(
        "the interface has an MTU of {mtu}, and frames of more than {MTU} B of IP are not supported; set it with ip \
         link set {name} mtu {MTU}"
    )]
    Mtu { name: InterfaceName, mtu: u16 },
    #[error("the interface cannot be used: {0}")]
    Other(#[from] io::Error),
}

impl Tap {
    /// Makes the interface `name`, or attaches to it; and brings it up, if this process may.
    ///
    /// # Errors
    /// [`TapError`], whose text says exactly what is missing.
    pub fn open(name: &InterfaceName) -> Result<Self, TapError> {
        attach(name).map_err(|why| TapError { name: name.clone(), why })
    }

    /// What to do about an interface that is down, if this one is and could not be brought up.
    pub fn is_down(&self) -> Option<String> {
        let (name, why) = (&self.name, self.down.as_ref()?);
        Some(format!(
            "the interface {name} is down, and cannot be brought up ({why}); frames wait until it is up: ip link set \
             {name} up"
        ))
    }

    /// Records that the interface can be used no longer.
    fn fail(&mut self, error: Errno) {
        let name = &self.name;
        let why = match error {
            Errno::BADFD => format!("the interface {name} is gone"),
            error => format!("the interface {name} failed: {}", io::Error::from(error)),
        };
        self.failure.get_or_insert(why);
    }
}

fn attach(name: &InterfaceName) -> Result<Tap, TapProblem> {
    // Opened here first only to tell its errors from those of the interface.
    File::options().read(true).write(true).open(CLONE_DEVICE).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => TapProblem::NoDevice(error),
        _ => TapProblem::DeviceForbidden(error),
    })?;
    let existed = exists(name);
    // Without `offload`, the builder switches off all offloads of the device explicitly: one that existed may have them
    // on from the last program, and then frames would have no checksums.
    let builder = DeviceBuilder::new().name(name.as_str()).layer(Layer::L2).inherit_enable_state();
    let plain = |options: &mut tun_rs::DeviceBuilderGuard<'_>| {
        options.offload(false).packet_information(false).multi_queue(false);
    };
    let device = builder.with(plain).build_sync().map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::PERM | Errno::ACCESS) if existed => TapProblem::NotOwner { name: name.clone() },
        Some(Errno::PERM | Errno::ACCESS) => TapProblem::MayNotMake { name: name.clone() },
        Some(Errno::BUSY) => TapProblem::Busy,
        Some(Errno::INVAL) if existed => TapProblem::NotATap { name: name.clone() },
        _ => TapProblem::Other(error),
    })?;
    device.set_nonblocking(true)?;
    check_mtu(&device, name)?;
    let down = device.enabled(true).err().filter(|_| !device.is_running().unwrap_or(false));
    // The copy keeps the interface attached.
    let frames = device.as_fd().try_clone_to_owned()?;
    Ok(Tap { name: name.clone(), frames: Arc::new(frames), down, failure: None })
}

/// Whether there is an interface of that name, of any kind.
fn exists(name: &InterfaceName) -> bool {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .is_ok_and(|socket| name_to_index(socket, name.as_str()).is_ok())
}

/// A larger MTU than [`MTU`] would let the kernel send frames that no slot holds. It is refused
/// rather than lowered, because other programs may rely on it.
fn check_mtu(device: &SyncDevice, name: &InterfaceName) -> Result<(), TapProblem> {
    match device.mtu()? {
        mtu if mtu > MTU => Err(TapProblem::Mtu { name: name.clone(), mtu }),
        _ => Ok(()),
    }
}

impl Backend for Tap {
    fn sent(&mut self, frame: &[u8], _at: Nanos) -> bool {
        if self.failure.is_some() {
            return false;
        }
        match retry_on_intr(|| write(&self.frames, frame)) {
            // One write is one frame.
            Ok(_) => true,
            // IO: the interface is down. A wait until the descriptor is writable lasts until it is up. The kernel also
            // may lack memory for a moment.
            Err(Errno::AGAIN | Errno::IO | Errno::NOBUFS | Errno::NOMEM) => false,
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    fn receives(&self) -> bool {
        true
    }

    fn receive(&mut self, into: &mut [u8], _now: Nanos) -> Option<usize> {
        if self.failure.is_some() {
            return None;
        }
        // One read is one frame, cut to the buffer, which is larger than any frame that a slot holds.
        match retry_on_intr(|| read(&self.frames, &mut *into)) {
            Ok(len) => Some(len),
            Err(Errno::AGAIN) => None,
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    fn wait_on(&self, wanted: Interest) -> Option<(Arc<OwnedFd>, Interest)> {
        Some((Arc::clone(&self.frames), wanted))
    }

    fn failed(&self) -> Option<String> {
        self.failure.clone()
    }

    fn kind(&self) -> &'static str {
        "tap"
    }
}

/// Gives up every capability of this thread, and of the threads that it starts, for good. A driver needs none once its
/// interface is attached: what arrives there must find as little as possible.
///
/// # Errors
/// Those of the system, which has no reason to refuse.
pub fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    set_no_new_privs(true)?;
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}
