//! Restarts of a server after a kill, and the restart notices that tell its clients.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Running, encoded, enter, hello, listen, run, settings, to, within};
use qmsg::quic::{ConnectionEnd, KEEP_ALIVE, Listener, Outgoing, ServerSettings, dial};
use qmsg::wire::FromServer;
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;

/// A runtime that stands for a process. Dropping it closes its sockets without a word, like a kill.
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
fn clients_that_write_learn_of_a_restart() {
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
        // A late acknowledgement may have caused the reset already: then the connection is gone
        // before this write.
        let _ = link.outgoing.send(Outgoing::Frames(encoded(&enter(1)))).await;
        assert_eq!(link.end().await, ConnectionEnd::Lost);
        assert!(begun.elapsed() < Duration::from_secs(5));
    });
}

/// Connects a client that stays to a server that keeps a peer list.
async fn client(settings: &ServerSettings) -> Running<FromServer> {
    let mut dialling = to(settings.address);
    dialling.keep_alive = Some(KEEP_ALIVE);
    let mut link: Running<FromServer> = run(within(dial(&dialling)).await.unwrap());
    assert_eq!(link.read(1).await, [hello()]);
    link
}

/// Waits until the file of the peer list is written.
async fn is_written(path: &Path) {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let writing = async {
        while !std::fs::read_to_string(path).is_ok_and(|text| !text.is_empty()) {
            looks.tick().await;
        }
    };
    within(writing).await;
}

#[test]
fn idle_clients_learn_of_a_restart_at_once() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut settings = settings("127.0.0.1:0");
    let path = dir.path().join("peers");
    settings.peer_list = Some(path.clone());
    let first = process();
    settings.address = serve(&first, &settings);
    let clients = process();
    let link = clients.block_on(async {
        let link = client(&settings).await;
        is_written(&path).await;
        link
    });
    drop(first);
    // The file is a hint: damaged lines are ignored.
    let kept = std::fs::read(&path).unwrap();
    std::fs::write(&path, [b"x\n\xff\n\n", &kept[..], b"127.0.0."].concat()).unwrap();
    let second = process();
    let begun = Instant::now();
    assert_eq!(serve(&second, &settings), settings.address);
    clients.block_on(async {
        assert_eq!(link.end().await, ConnectionEnd::Lost);
        // The client's next own packet would be a keep-alive.
        assert!(begun.elapsed() < KEEP_ALIVE / 4, "{:?}", begun.elapsed());
        // The next process lists its own clients.
        let again = client(&settings).await;
        is_written(&path).await;
        drop(again);
    });
}

/// Anybody can forge restart notices. The client sends a packet now and then, and goes on.
#[tokio::test]
async fn a_forged_notice_only_causes_a_packet() {
    let listener = listen();
    let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (server, settings) = (listener.local_addr(), to(front.local_addr().unwrap()));
    let (knows, known) = tokio::sync::oneshot::channel();
    let (counts, mut count) = tokio::sync::watch::channel(0_u32);
    let relay = async {
        let (mut knows, mut client) = (Some(knows), None);
        let (mut up, mut down) = ([0; 2048], [0; 2048]);
        loop {
            tokio::select! {
                got = front.recv_from(&mut up) => {
                    let (length, from) = got.unwrap();
                    // Port probes have one byte and come from another socket.
                    if length > 1 {
                        client = Some(from);
                        counts.send_modify(|count| *count += 1);
                        back.send_to(&up[..length], server).await.unwrap();
                    }
                }
                got = back.recv_from(&mut down) => {
                    let (length, _) = got.unwrap();
                    front.send_to(&down[..length], client.unwrap()).await.unwrap();
                    if let Some(knows) = knows.take() {
                        knows.send(client.unwrap()).unwrap();
                    }
                }
            }
        }
    };
    let test = async {
        let (server, client) = super::pair_with(&listener, &settings).await;
        let (mut server, mut client) = (run(server), run(client));
        assert_eq!(client.read(1).await, [hello()]);
        client.write(encoded(&enter(1))).await;
        assert_eq!(server.read(1).await, [enter(1)]);
        let address = known.await.unwrap();
        let before = *count.borrow_and_update();
        for _ in 0..1_000 {
            front.send_to(&[0], address).await.unwrap();
        }
        within(count.wait_for(|count| *count > before)).await.unwrap();
        client.write(encoded(&enter(2))).await;
        assert_eq!(server.read(1).await, [enter(2)]);
        let answers = *count.borrow() - before;
        assert!(answers < 100, "{answers} packets for 1,000 notices");
    };
    tokio::select! {
        () = relay => {}
        () = test => {}
    }
}

/// Relays packets between a client and the server until `until` is ready. Returns its output and
/// the client's address.
async fn relay<T>(
    (front, back): (&UdpSocket, &UdpSocket),
    until: impl Future<Output = T>,
) -> (T, SocketAddr) {
    let (mut up, mut down, mut client) = ([0; 2048], [0; 2048], None);
    let mut until = std::pin::pin!(until);
    loop {
        tokio::select! {
            output = &mut until => return (output, client.unwrap()),
            got = front.recv_from(&mut up) => {
                let (length, from) = got.unwrap();
                // Port probes have one byte and come from another socket.
                if length > 1 {
                    client = Some(from);
                    back.send(&up[..length]).await.unwrap();
                }
            }
            Ok(length) = back.recv(&mut down), if client.is_some() => {
                front.send_to(&down[..length], client.unwrap()).await.unwrap();
            }
        }
    }
}

/// A notice and the reset arrive together: the connection ends, and nothing else happens.
#[test]
fn a_notice_at_the_end_of_a_connection_does_no_harm() {
    let mut settings = settings("127.0.0.1:0");
    let first = process();
    settings.address = serve(&first, &settings);
    let clients = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (front, back, link, client) = clients.block_on(async {
        let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let back = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        back.connect(settings.address).await.unwrap();
        let to_front = ServerSettings {
            address: front.local_addr().unwrap(),
            ..super::settings("127.0.0.1:0")
        };
        let (link, address) = relay((&front, &back), client(&to_front)).await;
        (front, back, link, address)
    });
    drop(first);
    let second = process();
    assert_eq!(serve(&second, &settings), settings.address);
    clients.block_on(async {
        let (mut up, mut reset) = ([0; 2048], [0; 2048]);
        let wait = Duration::from_millis(100);
        // Packets of the first process that are still under way are discarded.
        while tokio::time::timeout(wait, back.recv(&mut reset)).await.is_ok() {}
        // The second process answers packets of a connection it does not know with a reset.
        link.write(encoded(&enter(1))).await;
        let mut answer = None;
        while answer.is_none() {
            let length = within(front.recv(&mut up)).await.unwrap();
            back.send(&up[..length]).await.unwrap();
            let answering = tokio::time::timeout(wait, back.recv(&mut reset));
            answer = answering.await.ok().map(Result::unwrap);
        }
        front.try_send_to(&[0], client).unwrap();
        front.try_send_to(&reset[..answer.unwrap()], client).unwrap();
        assert_eq!(link.end().await, ConnectionEnd::Lost);
    });
}
