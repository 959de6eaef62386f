//! Links that send nothing, or no whole frame: they end after three seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use qmsg::quic::{ConnectionEnd, Outgoing};
use qmsg::wire::CloseCode;
use tokio::task::JoinSet;

use super::scale;
use super::scene::{Foe, LINK_KIB, Scene, bytes, hello};

const LINKS: usize = 60;
/// Deadline of the first frame, with a margin for a busy machine.
const DROPPED: Duration = Duration::from_secs(3 + 2);

/// Link that sends its first frame at one byte a second, or nothing. Returns how and when it ended.
async fn linger(foe: Arc<Foe>, number: usize, speaks: bool) -> (ConnectionEnd, Duration) {
    let link = foe.link().await;
    let begun = Instant::now();
    let bytes = bytes(&[hello(&format!("foe{number}"))]);
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    let outgoing = link.outgoing.clone();
    let speaking = tokio::spawn(async move {
        for at in 0..if speaks { bytes.len() } else { 0 } {
            seconds.tick().await;
            // The link may be closed already.
            let _ = outgoing.send(Outgoing::Frames(bytes.slice(at..=at))).await;
        }
    });
    let end = link.end().await;
    speaking.abort();
    (end, begun.elapsed())
}

fn linger_all(name: &str, speaks: bool) {
    let scene = Scene::new(&[]);
    let (foe, count) = (Arc::new(scene.foe()), LINKS * scale());
    let (last, effect) = scene.attack(|_| {
        foe.runtime.block_on(async {
            let links: JoinSet<_> =
                (0..count).map(|number| linger(Arc::clone(&foe), number, speaks)).collect();
            let ends = links.join_all().await;
            assert!(
                ends.iter()
                    .all(|(end, _)| *end == ConnectionEnd::ClosedByPeer(Some(CloseCode::TooSlow)))
            );
            ends.into_iter().map(|(_, took)| took).max().unwrap()
        })
    });
    let attack = format!("{count} links {name}, the last of them closed after {last:.1?}");
    effect.check(&attack, count as u64 * LINK_KIB);
    assert!(last < DROPPED, "{last:?}");
    scene.still_serves();
}

#[test]
fn a_silent_link_is_dropped() {
    linger_all("that said nothing", false);
}

#[test]
fn a_link_that_sends_a_byte_a_second_is_dropped() {
    linger_all("that said a byte a second", true);
}
