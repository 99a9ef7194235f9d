//! Asking the kernel for its TCP sockets.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::formats::sock_diag::{self, Message};

/// `AF_NETLINK` and `NETLINK_SOCK_DIAG`.
const NETLINK: (i32, i32) = (16, 4);
/// The most the kernel puts into one piece.
const PIECE: usize = 32 << 10;
/// Pieces of an answer: some 250,000 sockets.
const PIECES: usize = 1 << 10;
/// Questions in one piece: their answers must have room until they are read.
const AT_ONCE: usize = 64;
/// It answers at once, if at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line to the kernel. It sees the network namespace that it was opened in.
#[derive(Debug)]
pub(super) struct Sockets {
    link: Socket,
    piece: Vec<u8>,
}

impl Sockets {
    pub(super) fn open() -> io::Result<Self> {
        let (domain, protocol) = NETLINK;
        let link = Socket::new(Domain::from(domain), Type::RAW, Some(Protocol::from(protocol)))?;
        link.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { link, piece: vec![0; PIECE] })
    }

    /// Gives every socket of an address family in these states to `see`.
    pub(super) fn each(
        &mut self,
        family: u8,
        states: u32,
        see: impl FnMut(sock_diag::Socket),
    ) -> io::Result<()> {
        let answered = self.ask(family, states, see);
        if answered.is_err() {
            // What is left of this answer would be taken for that of the next question.
            *self = Self::open()?;
        }
        answered
    }

    fn ask(&mut self, family: u8, states: u32, mut see: impl FnMut(sock_diag::Socket)) -> io::Result<()> {
        self.link.write_all(&sock_diag::all(family, states))?;
        for _ in 0..PIECES {
            let n = self.link.read(&mut self.piece)?;
            for message in sock_diag::messages(&self.piece[..n]) {
                match message {
                    Message::Socket(socket) => see(socket),
                    Message::Done => return Ok(()),
                    Message::Refused(errno) => return Err(io::Error::from_raw_os_error(-errno)),
                }
            }
        }
        Err(ErrorKind::FileTooLarge.into())
    }

    /// Gives the sockets among these that are still there to `see`, as they are at one moment: within microseconds for each.
    pub(super) fn again(
        &mut self,
        these: &[sock_diag::Socket],
        mut see: impl FnMut(sock_diag::Socket),
    ) -> io::Result<()> {
        for some in these.chunks(AT_ONCE) {
            let answered = self.ask_again(some, &mut see);
            if answered.is_err() {
                *self = Self::open()?;
                return answered;
            }
        }
        Ok(())
    }

    fn ask_again(
        &mut self,
        some: &[sock_diag::Socket],
        see: &mut impl FnMut(sock_diag::Socket),
    ) -> io::Result<()> {
        let questions: Vec<u8> = some.iter().flat_map(sock_diag::again).collect();
        self.link.write_all(&questions)?;
        let mut answers = 0;
        while answers < some.len() {
            let n = self.link.read(&mut self.piece)?;
            for message in sock_diag::messages(&self.piece[..n]) {
                answers += 1;
                // It is gone if the kernel refuses.
                if let Message::Socket(socket) = message {
                    see(socket);
                }
            }
        }
        Ok(())
    }
}
