//! How much memory this process has, and has taken. Linux only; elsewhere nothing is known.

use std::fs;

/// Bytes of memory that only this process can give back: not what the system can drop and read again from a file, such as
/// compiled code.
pub(crate) fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    Some(kib(&text, "RssAnon:")? + kib(&text, "RssShmem:")?)
}

/// Bytes of memory the process may come to hold: what its control group allows, or the machine has.
pub(crate) fn available_to_process() -> Option<u64> {
    let machine = kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    Some(group.map_or(machine, |group| group.min(machine)))
}

/// CPU seconds the process has used.
pub(crate) fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // Fields 14 and 15, counted behind the name, which may hold spaces.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// `USER_HZ`, which Linux fixes at 100 for everybody who reads `/proc`.
const TICKS_PER_SECOND: f64 = 100.0;

fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    let number: u64 = line[name.len()..]
        .trim()
        .strip_suffix(" kB")?
        .trim()
        .parse()
        .ok()?;
    Some(number << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_memory_and_has_used_time() {
        let resident = resident().unwrap();
        assert!(resident > 0 && resident < available_to_process().unwrap());
        assert!(cpu_seconds().unwrap() >= 0.0);
    }
}
