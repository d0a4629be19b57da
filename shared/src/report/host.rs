//! The machine and the program that a report is from.

use std::fs;
use std::thread;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine and the program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HostReport {
    /// Host name.
    pub name: String,
    /// Kernel release.
    pub kernel: String,
    /// CPU model.
    pub cpu: String,
    /// CPUs that the process may use.
    pub cpus: usize,
    /// Git revision that was built, `unknown` outside a checkout.
    pub git_revision: String,
}

/// The git revision that was built; `unknown` outside a checkout, and with `-dirty` behind it if sources were changed.
pub fn git_revision() -> &'static str {
    env!("PUSHBACK_GIT_REVISION")
}

/// Reported for what cannot be read.
const UNKNOWN: &str = "unknown";

impl HostReport {
    /// Reads it from the system. What cannot be read is `unknown`: that does not fail a run.
    pub fn read() -> Self {
        let system = rustix::system::uname();
        let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            name: system.nodename().to_string_lossy().into_owned(),
            kernel: system.release().to_string_lossy().into_owned(),
            cpu: cpu_model(&cpus).unwrap_or_else(|| UNKNOWN.to_owned()),
            cpus: thread::available_parallelism().map_or(1, usize::from),
            git_revision: git_revision().to_owned(),
        }
    }
}

/// The first CPU model in `/proc/cpuinfo`; its key differs between x86 and ARM. On x86 with its family and model number,
/// because a virtual machine may have a name that tells nothing else.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let value = |wanted| {
        let fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        let mut values = fields.filter(move |(key, _)| key.trim() == wanted).map(|(_, value)| value.trim());
        values.find(|value| !value.is_empty())
    };
    let name = value("model name").or_else(|| value("Model")).or_else(|| value("CPU part"))?;
    let numbers = value("cpu family").zip(value("model"));
    Some(numbers.map_or_else(|| name.to_owned(), |(family, model)| format!("{name} (family {family}, model {model})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_model_is_found_under_the_keys_of_x86_and_arm() {
        assert_eq!(
            cpu_model("processor\t: 0\ncpu family\t: 6\nmodel\t\t: 85\nmodel name\t: Example CPU @ 2 GHz\n").as_deref(),
            Some("Example CPU @ 2 GHz (family 6, model 85)")
        );
        let board = "processor\t: 0\nCPU part\t: 0xd0c\n\nModel\t\t: Example Board\n";
        assert_eq!(cpu_model(board).as_deref(), Some("Example Board"));
        assert_eq!(cpu_model("processor\t: 0\nmodel name\t:\n"), None);
    }

    #[test]
    fn this_machine_can_be_described() {
        let host = HostReport::read();
        assert!(host.cpus >= 1);
        for fact in [host.name, host.kernel, host.cpu, host.git_revision] {
            assert!(!fact.is_empty() && !fact.contains('\n'), "{fact:?}");
        }
    }
}
