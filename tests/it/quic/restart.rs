//! A server that was killed and came back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Running, encoded, enter, hello, run, settings, to, within};
use qmsg::quic::{End, Listener, Outgoing, ServerSettings, dial};
use qmsg::wire::FromServer;
use tokio::runtime::Runtime;

/// A runtime that stands for a process: dropped, its sockets are gone without a word.
fn process() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().unwrap()
}

fn serve(process: &Runtime, settings: &ServerSettings) -> SocketAddr {
    let listener = process.block_on(async { Listener::bind(settings).unwrap() });
    let address = listener.local_addr();
    process.spawn(async move {
        let mut links = Vec::new();
        while let Some(incoming) = listener.accept().await {
            links.push(run(incoming.establish(encoded(&hello())).await.unwrap()));
        }
    });
    address
}

#[test]
fn its_clients_learn_of_it_when_they_write() {
    let mut settings = settings("127.0.0.1:0");
    let first = process();
    settings.address = serve(&first, &settings);
    let clients = process();
    let link = clients.block_on(async {
        let dialled = within(dial(&to(settings.address))).await.unwrap();
        let mut link: Running<FromServer> = run(dialled);
        assert_eq!(link.read(1).await, [hello()]);
        link
    });
    drop(first);
    let second = process();
    assert_eq!(serve(&second, &settings), settings.address);
    clients.block_on(async {
        let begun = Instant::now();
        // A late acknowledgement may have brought the reset before: then there is no link to write
        // to any more.
        let _ = link.outgoing.send(Outgoing::Frames(encoded(&enter(1)))).await;
        assert_eq!(link.end().await, End::Lost);
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}
