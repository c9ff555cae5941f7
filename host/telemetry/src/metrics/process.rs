//! What the kernel says about this process: the metrics every Prometheus client has.

use std::fs;

/// Figures of this process; those that `/proc` does not tell are absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// CPU time of all threads, user and system, in seconds. Exact to a clock tick, 10 ms.
    pub(crate) cpu_seconds: Option<f64>,
    /// When it was started, in seconds since 1970.
    pub(crate) start_seconds: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) most_files: Option<u64>,
    pub(crate) threads: Option<u64>,
}

impl Process {
    /// Reads `/proc/self`, as of now.
    pub(crate) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let stat = text("/proc/self/stat");
        let status = text("/proc/self/status");
        let field = |number: usize| stat_field(stat.as_deref()?, number);
        let boot = text("/proc/stat").and_then(|stat| line_value(&stat, "btime "));
        let limits = text("/proc/self/limits");
        Process {
            cpu_seconds: field(14)
                .zip(field(15))
                .map(|(user, system)| (user + system) as f64 / ticks),
            start_seconds: boot
                .zip(field(22))
                .map(|(boot, start)| boot as f64 + start as f64 / ticks),
            resident_bytes: status
                .as_deref()
                .and_then(|text| line_value(text, "VmRSS:"))
                .map(kibibytes),
            virtual_bytes: field(23),
            open_files: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|files| files.count() as u64),
            most_files: limits.and_then(|text| line_value(&text, "Max open files")),
            threads: field(20),
        }
    }
}

fn kibibytes(number: u64) -> u64 {
    number.saturating_mul(1024)
}

/// The field of `/proc/self/stat` with this number, as `man 5 proc` counts them. The second, the name of the program,
/// is in parentheses and may contain spaces and parentheses.
fn stat_field(stat: &str, number: usize) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

/// The first number after a line's beginning.
fn line_value(text: &str, beginning: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(beginning))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_program_cannot_shift_the_fields() {
        let stat = "42 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24";
        assert_eq!(stat_field(stat, 4), Some(1));
        assert_eq!(stat_field(stat, 14), Some(11));
        assert_eq!(stat_field("", 14), None);
    }

    #[test]
    fn this_process_is_described() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 100_000);
        assert!(process.virtual_bytes >= process.resident_bytes);
        assert!(process.open_files.unwrap() >= 3 && process.most_files >= process.open_files);
        assert!(process.threads.unwrap() >= 1);
        assert!(process.cpu_seconds.unwrap() >= 0.0);
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let age = since.as_secs_f64() - process.start_seconds.unwrap();
        assert!((-2.0..3600.0).contains(&age), "{age}");
    }
}
