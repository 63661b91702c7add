//! A stopwatch for machines that are not quiet: thread CPU time, lanes taking turns, medians.
//!
//! Each lane is one operation. In every round each lane runs one short batch, so that a slow spell of the machine
//! meets all of them alike, and a lane's figure is the median of its batches. Another thread's work (the vault's own,
//! other programs) is not counted.

use std::collections::HashMap;
use std::hint::black_box;

use rand::seq::SliceRandom;

/// Long enough that reading the clock does not count, short enough to fit between two interrupts.
const BATCH_NANOS: u64 = 400_000;

/// CPU time of this thread, in nanoseconds.
pub fn cpu_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

type Batch<'l> = Box<dyn FnMut(u64) -> u64 + 'l>;

/// Operations to be compared.
#[derive(Default)]
pub struct Race<'l> {
    lanes: Vec<(String, Batch<'l>)>,
}

/// Nanoseconds an operation, by lane.
pub struct Figures {
    pub order: Vec<String>,
    nanos: HashMap<String, f64>,
}

impl<'l> Race<'l> {
    pub fn new() -> Race<'l> {
        Race::default()
    }

    /// Adds a lane. What the operation returns is dropped within the time, as it would be in an application.
    pub fn lane<R>(&mut self, name: impl Into<String>, mut operation: impl FnMut() -> R + 'l) {
        let batch = move |times| {
            let start = cpu_nanos();
            for _ in 0..times {
                black_box(operation());
            }
            cpu_nanos() - start
        };
        self.lanes.push((name.into(), Box::new(batch)));
    }

    /// Adds a lane that meets another one of `all` at each operation.
    pub fn lane_over<T, R>(
        &mut self,
        name: impl Into<String>,
        all: &'l [T],
        mut operation: impl FnMut(&'l T) -> R + 'l,
    ) {
        let mut next = 0;
        self.lane(name, move || {
            next = if next + 1 < all.len() { next + 1 } else { 0 };
            operation(&all[next])
        });
    }

    /// Adds a lane whose operation uses up an input, which is made outside of the time. `prepare` is given a count.
    pub fn lane_using<I, R>(
        &mut self,
        name: impl Into<String>,
        mut prepare: impl FnMut(usize) -> I + 'l,
        mut operation: impl FnMut(I) -> R + 'l,
    ) {
        let mut count = 0;
        let batch = move |times| {
            let inputs: Vec<I> = (0..times)
                .map(|_| {
                    count += 1;
                    prepare(count)
                })
                .collect();
            let start = cpu_nanos();
            for input in inputs {
                black_box(operation(input));
            }
            cpu_nanos() - start
        };
        self.lanes.push((name.into(), Box::new(batch)));
    }

    /// Adds a lane whose operation does `units` of what is counted.
    pub fn lane_of<R>(&mut self, name: impl Into<String>, units: u64, mut operation: impl FnMut() -> R + 'l) {
        let batch = move |times: u64| {
            let start = cpu_nanos();
            for _ in 0..times.div_ceil(units) {
                black_box(operation());
            }
            (cpu_nanos() - start) * times / (times.div_ceil(units) * units)
        };
        self.lanes.push((name.into(), Box::new(batch)));
    }

    /// Runs `rounds` rounds.
    pub fn run(mut self, rounds: usize) -> Figures {
        let times: Vec<u64> = self
            .lanes
            .iter_mut()
            .map(|(_, batch)| {
                let mut times = 1;
                loop {
                    let took = batch(times).max(1);
                    if took >= BATCH_NANOS / 4 {
                        break (times * BATCH_NANOS / took).max(1);
                    }
                    times *= 2;
                }
            })
            .collect();
        let mut samples: Vec<Vec<f64>> = vec![Vec::with_capacity(rounds); self.lanes.len()];
        // In another order each time: what a lane leaves in the caches must not favour always the same next one.
        let mut turns: Vec<usize> = (0..self.lanes.len()).collect();
        for _ in 0..rounds {
            turns.shuffle(&mut rand::rng());
            for &lane in &turns {
                samples[lane].push((self.lanes[lane].1)(times[lane]) as f64 / times[lane] as f64);
            }
        }
        let order: Vec<String> = self.lanes.into_iter().map(|(name, _)| name).collect();
        let nanos = order.iter().cloned().zip(samples.into_iter().map(median)).collect();
        Figures { order, nanos }
    }
}

pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}

impl Figures {
    pub fn of(&self, lane: &str) -> f64 {
        *self.nanos.get(lane).unwrap_or_else(|| panic!("no lane {lane}"))
    }
}

/// One column for each race; all had the same lanes.
pub fn table(title: &str, unit: &str, columns: &[(&str, &Figures)]) {
    let names: Vec<&str> = std::iter::once(unit).chain(columns.iter().map(|(name, _)| *name)).collect();
    heading(title, &names);
    for lane in columns.first().map_or(&[][..], |(_, figures)| &figures.order) {
        let cells: Vec<String> = columns.iter().map(|(_, figures)| format!("{:.0}", figures.of(lane))).collect();
        println!("| {lane} | {} |", cells.join(" | "));
    }
    println!();
}

/// One line of the table of targets.
pub fn verdict(what: &str, value: f64, limit: f64, at_most: bool) {
    let met = if at_most { value <= limit } else { value >= limit };
    let (bound, answer) = (if at_most { "at most" } else { "at least" }, if met { "yes" } else { "**no**" });
    println!("| {what} | {value:.2} | {bound} {limit} | {answer} |");
}

pub fn heading(title: &str, columns: &[&str]) {
    println!("### {title}\n\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
}
