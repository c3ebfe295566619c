//! How many threads this process may well use: its physical cores, within affinity and CPU quota.

use cellstate_kernels::pool::MAX_THREADS;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A number of threads and what limits it.
#[derive(Debug, PartialEq)]
pub(crate) struct Available {
    pub(crate) threads: usize,
    pub(crate) reason: String,
}

/// What the machine and the system say.
#[derive(Debug, Default, PartialEq)]
struct Limits {
    /// Physical cores, of which the process may use some; `None` where the system does not tell.
    cores: Option<(usize, usize)>,
    /// Processors' worth of time that the control groups grant.
    quota: Option<f64>,
    /// Logical processors that the process may use.
    logical: usize,
}

/// Found out once.
pub(crate) fn available() -> &'static Available {
    static AVAILABLE: OnceLock<Available> = OnceLock::new();
    AVAILABLE.get_or_init(|| {
        let logical = std::thread::available_parallelism().map_or(1, usize::from);
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        Limits { cores: cores(read).or_else(|| counted_cores(logical)), quota: quota(read), logical }.available()
    })
}

/// Threads that all models of the process may use together, unless one asks for more.
pub(crate) fn budget() -> usize {
    static BUDGET: OnceLock<usize> = OnceLock::new();
    *BUDGET.get_or_init(|| {
        let variable = std::env::var("CELLSTATE_THREADS").ok().and_then(|text| text.parse().ok());
        variable.filter(|threads| (1..=MAX_THREADS).contains(threads)).unwrap_or_else(|| available().threads)
    })
}

impl Limits {
    fn available(&self) -> Available {
        let (threads, reason) = match self.cores {
            Some((own, all)) if own == all => (own, count(own, "physical core")),
            Some((own, all)) => (own, format!("{own} of {}", count(all, "physical core"))),
            None => (self.logical, count(self.logical, "logical processor")),
        };
        match self.quota.map(|quota| (quota, quota.ceil() as usize)) {
            Some((quota, whole)) if whole < threads => {
                Available { threads: whole.max(1), reason: format!("a quota of {} processors", rounded(quota)) }
            }
            _ => Available { threads: threads.max(1), reason },
        }
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Two digits after the point, as JavaScript shows them.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Physical cores that the affinity of the process allows, and all that are online.
fn cores(read: impl Fn(&Path) -> Option<String>) -> Option<(usize, usize)> {
    let siblings = |cpu: &usize| {
        let topology = PathBuf::from(format!("/sys/devices/system/cpu/cpu{cpu}/topology"));
        // The second is the name before Linux 5.3. A processor that is offline has neither.
        read(&topology.join("core_cpus_list")).or_else(|| read(&topology.join("thread_siblings_list")))
    };
    let distinct = |cpus: Vec<usize>| cpus.iter().filter_map(siblings).collect::<BTreeSet<String>>().len();
    let status = read(Path::new("/proc/self/status"))?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let own = distinct(list(allowed)?);
    let all = read(Path::new("/sys/devices/system/cpu/online")).and_then(|online| list(&online)).map_or(own, distinct);
    (own > 0).then_some((own, all.max(own)))
}

/// The same on systems without such files.
#[cfg(any(target_os = "macos", windows))]
fn counted_cores(logical: usize) -> Option<(usize, usize)> {
    let cores = num_cpus::get_physical();
    Some((cores.min(logical), cores))
}

#[cfg(not(any(target_os = "macos", windows)))]
fn counted_cores(_: usize) -> Option<(usize, usize)> {
    None
}

/// The numbers of a list as `0-3,8`.
fn list(text: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        numbers.extend(first.parse().ok()?..=last.parse::<usize>().ok()?);
    }
    Some(numbers)
}

/// The smallest CPU quota of the control group of this process and those above it, of both versions.
fn quota(read: impl Fn(&Path) -> Option<String>) -> Option<f64> {
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<f64>().ok());
    let groups = read(Path::new("/proc/self/cgroup"))?;
    let mut least: Option<f64> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let second = controllers.is_empty();
        if !second && !controllers.split(',').any(|controller| controller == "cpu") {
            continue;
        }
        let root = Path::new("/sys/fs/cgroup").join(controllers);
        // In a container the path may be that of the host; the root is its own group.
        let own = root.join(group.trim_start_matches('/'));
        for folder in own.ancestors().take_while(|folder| folder.starts_with(&root)) {
            let (quota, period) = if second {
                let text = read(&folder.join("cpu.max")).unwrap_or_default();
                let mut words = text.split_whitespace();
                (number(words.next()), number(words.next()))
            } else {
                let file = |name| number(read(&folder.join(name)).as_deref());
                (file("cpu.cfs_quota_us"), file("cpu.cfs_period_us"))
            };
            if let (Some(quota), Some(period)) = (quota, period) {
                if quota > 0.0 && period > 0.0 {
                    least = Some(least.map_or(quota / period, |least| least.min(quota / period)));
                }
            }
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads from a list of files.
    fn files<'a>(files: &'a [(&str, &str)]) -> impl Fn(&Path) -> Option<String> + 'a {
        |path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| format!("{text}\n"))
    }

    fn machine(allowed: &str, online: &str, siblings: &[&str], name: &str) -> Option<(usize, usize)> {
        let status = format!("Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed}");
        let topology: Vec<(String, &str)> = siblings
            .iter()
            .enumerate()
            .filter(|(_, list)| !list.is_empty())
            .map(|(cpu, &list)| (format!("/sys/devices/system/cpu/cpu{cpu}/topology/{name}"), list))
            .collect();
        let mut all = vec![("/proc/self/status", &*status), ("/sys/devices/system/cpu/online", online)];
        all.extend(topology.iter().map(|(name, list)| (&**name, *list)));
        cores(files(&all))
    }

    #[test]
    fn siblings_are_one_core() {
        for name in ["core_cpus_list", "thread_siblings_list"] {
            assert_eq!(machine("0-3", "0-3", &["0,2", "1,3", "0,2", "1,3"], name), Some((2, 2)));
            assert_eq!(machine("0-3", "0-3", &["0-1", "0-1", "2-3", "2-3"], name), Some((2, 2)));
            assert_eq!(machine("0-1", "0-1", &["0", "1"], name), Some((2, 2)));
        }
    }

    #[test]
    fn affinity_counts_cores_and_offline_processors_do_not_count() {
        let four = ["0-1", "0-1", "2-3", "2-3"];
        assert_eq!(machine("3", "0-3", &four, "core_cpus_list"), Some((1, 2)));
        assert_eq!(machine("0,1", "0-3", &four, "core_cpus_list"), Some((1, 2)));
        assert_eq!(machine("0,2", "0-3", &four, "core_cpus_list"), Some((2, 2)));
        assert_eq!(machine("0-127", "0,2", &["0", "", "2", ""], "core_cpus_list"), Some((2, 2)));
    }

    #[test]
    fn a_system_that_does_not_tell_has_no_number_of_cores() {
        assert_eq!(machine("0-3", "0-3", &[], "core_cpus_list"), None);
        assert_eq!(machine("many", "0-3", &["0"], "core_cpus_list"), None);
        assert_eq!(cores(files(&[])), None);
    }

    #[test]
    fn the_least_quota_of_both_versions_and_of_groups_above_counts() {
        let second = [("/proc/self/cgroup", "0::/a/b"), ("/sys/fs/cgroup/a/b/cpu.max", "max 100000")];
        assert_eq!(quota(files(&second)), None);
        let above = [second[0], second[1], ("/sys/fs/cgroup/a/cpu.max", "150000 100000")];
        assert_eq!(quota(files(&above)), Some(1.5));
        let first = [
            ("/proc/self/cgroup", "9:name=systemd:/\n3:cpu,cpuacct:/docker/x\n2:cpuset:/y"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000"),
            ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000"),
        ];
        assert_eq!(quota(files(&first)), Some(0.5));
        let none = [first[0], ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1"), first[2]];
        assert_eq!(quota(files(&none)), None);
        assert_eq!(quota(files(&[])), None);
    }

    #[test]
    fn the_reason_is_what_limits() {
        let told = |cores, quota, logical| {
            let Available { threads, reason } = Limits { cores, quota, logical }.available();
            format!("{threads}: {reason}")
        };
        assert_eq!(told(Some((2, 2)), None, 4), "2: 2 physical cores");
        assert_eq!(told(Some((1, 1)), Some(4.0), 2), "1: 1 physical core");
        assert_eq!(told(Some((1, 2)), None, 1), "1: 1 of 2 physical cores");
        assert_eq!(told(Some((2, 2)), Some(0.5), 1), "1: a quota of 0.5 processors");
        assert_eq!(told(Some((8, 8)), Some(2.5), 2), "3: a quota of 2.5 processors");
        assert_eq!(told(None, None, 4), "4: 4 logical processors");
    }

    #[test]
    fn this_machine_has_a_thread() {
        assert!(available().threads >= 1);
    }
}
