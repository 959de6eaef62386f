//! Readers that get deliveries and never read them: their memory in the server is bounded for all
//! together.

use bytes::BytesMut;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::runtime::Runtime;

use super::scale;
use super::scene::{LINK_KIB, Scene, bytes, hello};
use crate::quic::raw::Raw;
use crate::quic::within;
use crate::real::kit::start_with;
use crate::real::wait::pause;
use qmsg::wire::{Decoder, FromClient, FromServer, Start};

const READERS: usize = 50;
/// Messages in the room, and bytes of each.
const MESSAGES: usize = 900;
const LENGTH: usize = 60_000;
/// Delivery budget of the server: far less than the prefetch of all readers.
const BUDGET_MIB: usize = 12;
/// Least that each reader gets beyond the budget.
const LEAST_KIB: u64 = 64;
/// Bytes that a reader's connection accepts without the reader having read.
const RECEIVE_WINDOW: u32 = 16 << 10;

/// A member of the room that can subscribe.
struct Member {
    _connection: Connection,
    send: SendStream,
    _recv: RecvStream,
}

impl Member {
    async fn new(endpoint: Endpoint, server: &str, number: usize) -> Self {
        let connecting = endpoint.connect(server.parse().unwrap(), "raw.example").unwrap();
        let connection = within(connecting).await.unwrap();
        let (mut send, mut recv) = within(connection.accept_bi()).await.unwrap();
        let enter = FromClient::JoinRoom("hall".parse().unwrap());
        let said = bytes(&[hello(&format!("foe{number}")), enter]);
        send.write_all(&said).await.unwrap();
        let mut decoder = Decoder::<FromServer>::new(1);
        let mut buffer = BytesMut::zeroed(1_024);
        loop {
            let length = within(recv.read(&mut buffer)).await.unwrap().unwrap();
            decoder.push(&buffer[..length]);
            while let Some(frame) = decoder.next_frame().unwrap() {
                if matches!(frame, FromServer::RoomJoined { .. }) {
                    return Self { _connection: connection, send, _recv: recv };
                }
            }
        }
    }

    /// Subscribes with the largest prefetch and reads nothing.
    async fn stall(&mut self) {
        let subscribe = FromClient::Subscribe {
            messages: u32::MAX,
            bytes: u64::MAX,
            start: Start::Unacked,
            share: false,
        };
        self.send.write_all(&bytes(&[subscribe])).await.unwrap();
    }
}

#[test]
fn readers_that_stall_stay_within_the_delivery_budget() {
    let (readers, messages) = (READERS * scale(), MESSAGES * scale());
    let flight_mib = BUDGET_MIB * scale();
    let flight = format!("{flight_mib}MiB");
    let scene = Scene::new(&["--max-mailbox-bytes", "4GiB", "--max-in-flight", &flight]);
    let (home, server) = (&scene.home, &scene.server);
    home.join(server, &["mallory", "carol"]);
    home.run(&["join", "@hall", "--as", "carol", "-s", &server.address]).ok();
    let runtime = Runtime::new().unwrap();
    let mut members: Vec<Member> = runtime.block_on(async {
        let endpoint = Raw { window: RECEIVE_WINDOW, ..Raw::default() }.client();
        let mut members = vec![];
        for number in 0..readers {
            members.push(Member::new(endpoint.clone(), &server.address, number).await);
        }
        members
    });
    let send = ["send", "-l", "@hall", "--as", "mallory", "-s", &server.address];
    let lines: String = (0..messages).map(|n| format!("{n:0LENGTH$}\n")).collect();
    start_with(home.command(&send), lines.into_bytes()).end().code(0);
    let (_, effect) = scene.attack(|wanted| {
        runtime.block_on(async {
            for member in &mut members {
                member.stall().await;
            }
        });
        while wanted() {
            pause(std::time::Duration::from_millis(50));
        }
    });
    let waiting = (messages * LENGTH) >> 20;
    let attack = format!("{readers} readers that do not read, {waiting} MiB waiting for each");
    let least_kib = readers as u64 * (LEAST_KIB + LINK_KIB);
    effect.check(&attack, (flight_mib as u64 * 1_024) * 5 / 4 + least_kib);
    // A reader that does read gets everything.
    let listen = ["listen", "--as", "carol", "--poll", "-s", &server.address];
    let said = home.run(&listen).ok();
    assert_eq!(said.lines().count(), messages);
    drop(members);
    scene.still_serves();
}
