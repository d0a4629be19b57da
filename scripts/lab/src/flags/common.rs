//! The settings that several runs share.

use serde_json::{Map, Value};
use shared::report::ConfigReport;

use super::{changed_flags, shell_word};

/// The settings that all `configs` share and that are not the defaults, as flags; `None` if there are no settings. Of an
/// app of which some keys differ it has the other keys.
pub(crate) fn common_flags(configs: impl IntoIterator<Item = ConfigReport>) -> Option<Vec<String>> {
    let shared = configs.into_iter().reduce(|one, other| ConfigReport {
        netstack: common(one.netstack, &other.netstack),
        driver: common(one.driver, &other.driver),
        simulate: one.simulate.zip(other.simulate).map(|(one, other)| common(one, &other)),
        far: one.far.filter(|far| Some(far) == other.far.as_ref()),
    })?;
    let flags = changed_flags(&shared).into_iter().filter(|flag| flag != "--quiet");
    Some(flags.map(|flag| shell_word(&flag)).collect())
}

/// The settings in `one` that are in `other`.
fn common(one: Value, other: &Value) -> Value {
    let Value::Object(settings) = one else { return Value::Object(Map::new()) };
    let shared = settings.into_iter().filter_map(|(name, value)| {
        let other = other.get(&name)?;
        match (value, other) {
            (value, other) if value == *other => Some((name, value)),
            (Value::Array(specs), Value::Array(others)) if name == "apps" && specs.len() == others.len() => {
                let specs: Option<Value> =
                    specs.iter().zip(others).map(|(one, other)| common_keys(one, other)).collect();
                Some((name, specs?))
            }
            _ => None,
        }
    });
    Value::Object(shared.collect())
}

/// `poisson:size=64B` of `poisson:size=64B,load=0.5` and `poisson:size=64B,load=0.9`; `None` if their kinds differ.
fn common_keys(one: &Value, other: &Value) -> Option<Value> {
    let parts = |spec: &Value| -> Option<(String, Vec<String>)> {
        let (kind, keys) = spec.as_str().map(|spec| spec.split_once(':').unwrap_or((spec, "")))?;
        Some((kind.to_owned(), keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect()))
    };
    let ((kind, mut keys), (other_kind, other_keys)) = (parts(one)?, parts(other)?);
    keys.retain(|key| other_keys.contains(key));
    let colon = if keys.is_empty() { "" } else { ":" };
    (kind == other_kind).then(|| format!("{kind}{colon}{}", keys.join(",")).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::RunSettings;

    #[test]
    fn what_all_share_is_named_once_and_what_differs_is_not() {
        let config = |depth: u32, load: &str| {
            let mut settings = RunSettings::defaults();
            settings.set_packets(9);
            settings.set_quiet();
            settings.set_depth(shared::ring::Depth::new(depth).unwrap());
            settings.set_apps(&["bulk", &format!("poisson:size=64B,load={load}")]).unwrap();
            settings.in_report()
        };
        let flags = |configs: &[ConfigReport]| common_flags(configs.iter().cloned()).map(|flags| flags.join(" "));
        let app = "--app=bulk:size=1472B,burst=64,to=10.0.0.2:9 --app=poisson:size=64B,";
        let rest = "when-blocked=wait,to=10.0.0.2:9";
        let all = format!("{app}load=0.5,{rest} --depth=8 --packets=9");
        assert_eq!(flags(&[config(8, "0.5")]), Some(all.clone()));
        assert_eq!(flags(&[config(8, "0.5"), config(16, "0.5")]), Some(all.replace(" --depth=8", "")));
        assert_eq!(flags(&[config(8, "0.5"), config(16, "0.9")]), Some(format!("{app}{rest} --packets=9")));
        assert_eq!(flags(&[RunSettings::defaults().in_report()]), Some(String::new()));
        assert_eq!(flags(&[]), None);
    }
}
