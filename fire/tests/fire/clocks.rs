//! Clocks that jump, those of each process by themselves.

use super::site::{PROCESSES, Site, rounds};

/// Wall clocks are set, by milliseconds and by hours, and machines sleep. The clocks are those that the vault reads: the system's own are
/// everybody's. 20 s.
#[test]
#[ignore = "needs PostgreSQL, and half a minute"]
fn clocks_jump() {
    let mut site = Site::new("clocks jump");
    site.start_all();
    for _ in 0..40 * rounds() {
        let process = 1 + u32::try_from(site.random.below(PROCESSES as usize)).unwrap();
        let far = [20, 150, 800, 5_000, 3_600_000][site.random.below(5)];
        let word = ["set-on", "set-back", "sleep"][site.random.below(3)];
        site.tell(process, &format!("{word} {far}"));
        std::thread::sleep(site.random.milliseconds(50, 400));
    }
    let all: Vec<u32> = (1..=PROCESSES).collect();
    println!("all back after {:?}", site.wait_until_back(&all));
    site.ends_well();
}
