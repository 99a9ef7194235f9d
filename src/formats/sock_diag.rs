//! The kernel's answers about its TCP sockets over netlink (`NETLINK_SOCK_DIAG`, sock_diag(7), `linux/inet_diag.h`): what `ss`
//! asks. The text of `/proc/net/tcp` says the same, and costs five times as much of a core.

/// Address families.
pub const FAMILIES: [u8; 2] = [2, 10];
/// Bits of states.
pub const ESTABLISHED: u32 = 1 << 1;
/// Sockets that wait for connections.
pub const LISTEN: u32 = 1 << 10;
/// States 1 to 12: those that the kernel's text lists, too.
pub const ALL: u32 = 0x1ffe;

const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
/// Bytes of the part of a socket's message that has a fixed place.
const SOCKET: usize = HEADER + 72;

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`, and with `NLM_F_DUMP`.
const ONE: u16 = 1;
const DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const TCP: u8 = 6;

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Address family.
    pub family: u8,
    /// By the kernel's numbers (`include/net/tcp_states.h`).
    pub state: u8,
    /// Its own port.
    pub local: u16,
    /// The other side's.
    pub remote: u16,
    /// Bytes that nobody has read; of a listening socket connections that wait to be accepted.
    pub unread: u32,
    /// Addresses, ports and cookie: what the kernel knows it by.
    pub id: [u8; 48],
}

/// A message of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// One socket.
    Socket(Socket),
    /// There are no more.
    Done,
    /// The kernel refuses, by this error number.
    Refused(i32),
}

/// Asks for all TCP sockets of an address family in these states: the kernel walks through all places for sockets.
#[must_use]
pub fn all(family: u8, states: u32) -> [u8; REQUEST] {
    request(DUMP, family, states, [0; 48])
}

/// Asks for a socket that was met before: the kernel finds it by its place. The answer is one message; several questions may
/// go in one piece.
#[must_use]
pub fn again(socket: &Socket) -> [u8; REQUEST] {
    request(ONE, socket.family, ALL, socket.id)
}

fn request(flags: u16, family: u8, states: u32, id: [u8; 48]) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    bytes[..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    bytes[HEADER..HEADER + 2].copy_from_slice(&[family, TCP]);
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&states.to_ne_bytes());
    bytes[HEADER + 8..].copy_from_slice(&id);
    bytes
}

/// Messages of one piece of an answer; what is cut off or of another kind is passed over.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message> + '_ {
    std::iter::from_fn(move || {
        loop {
            let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
            let message = bytes.get(..length).filter(|m| m.len() >= HEADER)?;
            // The next begins at a multiple of four.
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
            if let Some(message) = read(message) {
                return Some(message);
            }
        }
    })
}

fn read(message: &[u8]) -> Option<Message> {
    match u16::from_ne_bytes([message[4], message[5]]) {
        // An error on the way stands in the last message (`netlink_dump_done`).
        DONE => Some(number(message).filter(|n| *n < 0).map_or(Message::Done, Message::Refused)),
        ERROR => number(message).map(Message::Refused),
        BY_FAMILY => socket(message).map(Message::Socket),
        _ => None,
    }
}

fn number(message: &[u8]) -> Option<i32> {
    Some(i32::from_ne_bytes(*message.get(HEADER..)?.first_chunk()?))
}

/// Family, state, timer and retransmissions are a byte each; then ports in network order, addresses, interface and cookie (48
/// bytes from the ports on), the timer's end, and the queues.
fn socket(message: &[u8]) -> Option<Socket> {
    let fixed = &message.get(..SOCKET)?[HEADER..];
    let port = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let unread = u32::from_ne_bytes(*fixed[56..].first_chunk()?);
    let id = *fixed[4..].first_chunk()?;
    Some(Socket { family: fixed[0], state: fixed[1], local: port(4), remote: port(6), unread, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel writes it.
    fn message(kind: u16, fixed: &[u8]) -> Vec<u8> {
        let mut all = ((HEADER + fixed.len()) as u32).to_ne_bytes().to_vec();
        all.extend_from_slice(&kind.to_ne_bytes());
        all.extend_from_slice(&[0; 10]);
        all.extend_from_slice(fixed);
        all.resize(all.len().next_multiple_of(4), 0);
        all
    }

    fn described(local: u16, remote: u16, unread: u32) -> Vec<u8> {
        let mut fixed = vec![2, 1, 0, 0];
        fixed.extend_from_slice(&local.to_be_bytes());
        fixed.extend_from_slice(&remote.to_be_bytes());
        fixed.resize(56, 0);
        fixed.extend_from_slice(&unread.to_ne_bytes());
        fixed.resize(72, 0);
        // An attribute that nobody asked for.
        fixed.extend_from_slice(&[5, 0, 8, 0, 0]);
        message(BY_FAMILY, &fixed)
    }

    #[test]
    fn sockets_are_read_up_to_the_end() {
        let mut answer = [described(8080, 49_153, 87), message(4, &[]), described(49_153, 8080, 0)].concat();
        answer.extend(message(DONE, &[0; 4]));
        let sockets: Vec<_> = messages(&answer).collect();
        let [Message::Socket(one), Message::Socket(other), Message::Done] = sockets[..] else {
            panic!("{sockets:?}")
        };
        assert_eq!((one.family, one.state, one.local, one.remote, one.unread), (2, 1, 8080, 49_153, 87));
        assert_eq!((other.local, other.remote, other.unread), (49_153, 8080, 0));
        assert_eq!(again(&one)[HEADER + 8..HEADER + 12], [0x1f, 0x90, 0xc0, 0x01], "ports in network order");
        for kind in [ERROR, DONE] {
            let refused: Vec<_> = messages(&message(kind, &(-2_i32).to_ne_bytes())).collect();
            assert_eq!(refused, [Message::Refused(-2)]);
        }
    }

    /// A listener and three connections to it, as Linux 6.18 told them.
    #[test]
    fn an_answer_of_a_kernel_is_read() {
        let answer = include_bytes!("../../tests/data/kernel/sock-diag.bin");
        let all: Vec<Message> = messages(answer).collect();
        let sockets: Vec<Socket> =
            all.iter().filter_map(|m| if let Message::Socket(s) = m { Some(*s) } else { None }).collect();
        assert_eq!((sockets.len(), all.last()), (7, Some(&Message::Done)));
        let count = |of: &dyn Fn(&Socket) -> bool| sockets.iter().filter(|s| of(s)).count();
        assert_eq!((count(&|s| s.state == 10), count(&|s| s.state == 1)), (1, 6));
        assert_eq!((count(&|s| s.unread == 18), count(&|s| s.unread == 68)), (1, 1));
        let port = sockets.iter().find(|s| s.state == 10).expect("the listener").local;
        assert!(sockets.iter().all(|s| s.local == port || s.remote == port), "{sockets:?}");
    }

    #[test]
    fn what_is_cut_off_ends_it() {
        let answer = described(8080, 1, 87);
        for cut in 0..answer.len() {
            let most = usize::from(cut >= HEADER + 72 + 5);
            assert!(messages(&answer[..cut]).count() <= most, "{cut}");
        }
        let endless = [0_u8; 64];
        assert_eq!(messages(&endless).count(), 0);
        let short = message(BY_FAMILY, &[2, 1, 0, 0]);
        assert_eq!(messages(&short).count(), 0);
    }
}
