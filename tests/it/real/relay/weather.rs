//! Effects of a bad network on a datagram, chosen by a seed.

use std::time::Duration;

use crate::chance::Chance;

/// Weather of one direction. Shares are in thousandths.
#[derive(Clone)]
pub(crate) struct Weather {
    pub(crate) lost: usize,
    pub(crate) twice: usize,
    /// Datagrams with one flipped bit.
    pub(crate) damaged: usize,
    pub(crate) delay: Duration,
    /// Random extra delay of each datagram, at most this much: datagrams overtake one another.
    pub(crate) jitter: Duration,
    /// Length above which datagrams are lost.
    pub(crate) length_max: usize,
    pub(crate) seed: u64,
    /// Datagrams seen so far.
    pub(crate) count: u64,
}

impl Default for Weather {
    fn default() -> Self {
        let none = Duration::ZERO;
        let (lost, twice, damaged, length_max) = (0, 0, 0, usize::MAX);
        Self { lost, twice, damaged, delay: none, jitter: none, length_max, seed: 1, count: 0 }
    }
}

impl Weather {
    /// Copies of a datagram that arrive, with their delays.
    pub(crate) fn fates(&mut self, datagram: &[u8]) -> Vec<(Duration, Vec<u8>)> {
        self.count += 1;
        let mut chance = Chance::new(self.seed.wrapping_add(self.count << 20));
        let mut happens = |share: usize| chance.below(1_000) < share;
        if datagram.len() > self.length_max || happens(self.lost) {
            return vec![];
        }
        let copies = 1 + usize::from(happens(self.twice));
        let is_damaged = happens(self.damaged);
        let mut fate = || {
            let mut datagram = datagram.to_vec();
            if is_damaged && !datagram.is_empty() {
                let at = chance.below(datagram.len());
                datagram[at] ^= 1 << chance.below(8);
            }
            let jitter = chance.below(self.jitter.as_micros() as usize + 1) as u64;
            (self.delay + Duration::from_micros(jitter), datagram)
        };
        (0..copies).map(|_| fate()).collect()
    }
}

#[test]
fn shares_are_kept() {
    let mut weather = Weather { lost: 300, twice: 200, damaged: 100, ..Weather::default() };
    let (mut lost, mut twice, mut damaged) = (0, 0, 0);
    for _ in 0..10_000 {
        let fates = weather.fates(&[7; 40]);
        lost += usize::from(fates.is_empty());
        twice += usize::from(fates.len() == 2);
        damaged += usize::from(fates.iter().any(|(_, bytes)| *bytes != [7; 40]));
    }
    assert!((2_800..3_200).contains(&lost), "{lost}");
    assert!((1_250..1_550).contains(&twice), "{twice}");
    assert!((600..800).contains(&damaged), "{damaged}");
    assert_eq!(Weather { length_max: 39, ..Weather::default() }.fates(&[7; 40]), []);
}
