//! Bytes that are no frames: the link they came on ends, nobody else notices.

use std::time::Duration;

use bytes::Bytes;
use qmsg::quic::{DialSettings, End, Identity, KEEP_ALIVE, Outgoing, Trust, dial};
use qmsg::wire::{CloseCode, FromServer};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::kit::{DEADLINE, Home, Server, Stream};

/// Says this to the server, with a key of its own, and hears how it ends.
async fn say(server: &Server, bytes: &'static [u8]) -> End {
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let settings = DialSettings {
        host: host.into(),
        port: port.parse().unwrap(),
        trust: Trust::AnyAndReport,
        identity: Identity::generate().unwrap(),
        deadline: Duration::from_secs(5),
        keep_alive: Some(KEEP_ALIVE),
        body_len_max: 1 << 20,
    };
    let link = dial(&settings).await.unwrap();
    let (outgoing, queue) = mpsc::channel(4);
    let (incoming, mut frames) = mpsc::channel::<Vec<FromServer>>(4);
    outgoing.send(Outgoing::Frames(Bytes::from_static(bytes))).await.unwrap();
    let heard = async { while frames.recv().await.is_some() {} };
    let (end, ()) = tokio::join!(timeout(DEADLINE, link.run(queue, incoming, |f| f)), heard);
    end.unwrap()
}

#[test]
fn garbage_ends_its_own_link_only() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = Home::new();
    let server = home.serve(&["--max-links", "100"]);
    home.join(&server, &["alice", "bob"]);
    let mut listener = home.listen(&["--as", "bob"]);
    let cases: [(&[u8], CloseCode); 5] = [
        (b"GET / HTTP/1.1\r\n\r\n", CloseCode::Malformed),
        (b"\xff\xff\xff\xff", CloseCode::Malformed),
        (b"\x01\x00\x00\x00\x7f", CloseCode::Malformed),
        // A good frame, but not the first one: Processed([1..=1]).
        (b"\x04\x00\x00\x00\x04\x01\x01\x01", CloseCode::OutOfTurn),
        // Nothing at all.
        (b"", CloseCode::TooSlow),
    ];
    for (bytes, code) in cases {
        let end = runtime.block_on(say(&server, bytes));
        assert_eq!(end, End::Closed(Some(code)), "{bytes:?}");
    }
    home.run(&["send", "bob", "still here", "--as", "alice"]).ok();
    listener.until(Stream::Out, "still here\n");
}
