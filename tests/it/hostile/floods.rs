//! Endless messages to a user who does not read, and to a room: the mailbox is full and says so,
//! the room drops its oldest messages, and others are hardly affected.

use super::scale;
use super::scene::Scene;
use crate::real::kit::start_with;

const MAILBOX: usize = 1_000;
/// Body length in bytes.
const LENGTH: usize = 1_000;
/// Memory for messages under way, at the senders and in the store.
const KIB_MAX: u64 = 96 << 10;

#[test]
fn a_flooded_mailbox_is_full_and_others_do_not_wait() {
    let mailbox = MAILBOX * scale();
    let scene = Scene::new(&["--max-mailbox", &mailbox.to_string()]);
    let home = &scene.home;
    home.join(&scene.server, &["mallory", "victim"]);
    home.run(&["join", "@hall", "--as", "victim", "-s", &scene.server.address]).ok();
    let line = |n: usize| format!("{n:0LENGTH$}\n");
    let lines: String = (0..2 * mailbox).map(line).collect();
    let flood = |to: &str| {
        let args = ["send", "-l", to, "--as", "mallory", "-s", &scene.server.address, "--json"];
        start_with(home.command(&args), lines.clone().into_bytes())
    };
    let (sent, effect) = scene.attack(|wanted| {
        let full = flood("victim").end();
        full.code(13).says("full");
        let mut sent = 2 * mailbox;
        while sent < 4 * mailbox || wanted() {
            flood("@hall").end().code(0);
            flood("victim").end().code(73).says("full");
            sent += 4 * mailbox;
        }
        sent
    });
    effect.check(&format!("{sent} messages to one mailbox of {mailbox} and one room"), KIB_MAX);
    scene.still_serves();
    // Accepted messages are there, and the room reports its loss.
    let said = home.run(&["listen", "--as", "victim", "-s", &scene.server.address, "--poll"]);
    said.code(0).says("removed before they were read");
    let shown: Vec<usize> =
        String::from_utf8(said.stdout).unwrap().lines().map(|l| l.parse().unwrap()).collect();
    assert_eq!(shown.len(), 2 * mailbox);
    let own = shown.iter().filter(|n| **n < mailbox).count();
    assert!(own >= mailbox, "{own}");
}
