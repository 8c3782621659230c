//! The processes of Linux, as `/proc` shows them.

/// What stands between the arguments of a process.
pub(super) const BETWEEN: u8 = 0;

/// Every living process with its parent.
pub(super) fn all() -> impl Iterator<Item = (u32, u32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let fields = stat(pid)?;
        let mut fields = fields.split_whitespace();
        let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
        (state != "Z").then_some((pid, parent))
    })
}

/// Its arguments, as it says them itself.
pub(super) fn arguments(pid: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// Memory that belongs to it alone, its part of shared pages counted. Units: bytes.
pub(super) fn memory_bytes(pid: u32) -> u64 {
    let read = |file: &str, names: &[&str]| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
        let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
        let lines = text
            .lines()
            .filter(|line| names.iter().any(|name| line.starts_with(name)));
        let values: Vec<u64> = lines.filter_map(kib).collect();
        (!values.is_empty()).then(|| values.iter().sum::<u64>() * 1024)
    };
    read("smaps_rollup", &["Pss_Anon:", "Pss_Shmem:"])
        .or_else(|| read("status", &["RssAnon:", "RssShmem:"]))
        .unwrap_or(0)
}

/// When it began, in the system's own clock. Source: proc_pid_stat(5), field `starttime`.
pub(super) fn born(pid: u32) -> Option<u64> {
    let fields = stat(pid)?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?.parse().ok()?;
    (state != "Z").then_some(start)
}

/// What follows the name in `stat`, which stands in brackets and may hold anything, brackets too.
fn stat(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.to_owned())
}
