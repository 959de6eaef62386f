//! Resources that a server holds.

use std::fmt;
use std::fs;

use super::site::Site;

#[derive(Clone, Copy)]
pub(super) struct Gauge {
    /// Resident memory.
    pub(super) kib: u64,
    pub(super) descriptors: usize,
    pub(super) threads: u64,
    /// Size of the data directory.
    pub(super) disk_kib: u64,
}

impl Gauge {
    pub(super) fn read(site: &Site) -> Self {
        let process = format!("/proc/{}", site.server().child.id());
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let descriptors = fs::read_dir(format!("{process}/fd")).unwrap().count();
        let files = fs::read_dir(site.home.data()).unwrap().flatten();
        let bytes: u64 = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
        let (kib, threads) = (number("VmRSS:"), number("Threads:"));
        Self { kib, descriptors, threads, disk_kib: bytes / 1_024 }
    }
}

impl fmt::Display for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kib, descriptors, threads, disk_kib } = self;
        let (descriptors, threads) = (descriptors, threads);
        write!(f, "{kib} KiB, {descriptors} descriptors, {threads} threads, {disk_kib} KiB on disk")
    }
}

/// Slope of the straight line through these points, by least squares.
pub(super) fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let points: Vec<(f64, f64)> = points.collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

#[test]
fn the_slope_of_a_line_is_found() {
    let line = [(0.0, 5.0), (1.0, 7.0), (2.0, 9.0)];
    assert!((slope(line.into_iter()) - 2.0).abs() < 1e-9);
    assert_eq!(slope([(1.0, 5.0)].into_iter()), 0.0);
}
