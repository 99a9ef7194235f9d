//! The connections of HTTP/2 that a thread's lanes share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::Mutex;

use super::worker::Worker;
use crate::load::connect::{OpenError, OpenTimes};
use crate::load::connections::Connections;
use crate::load::hit::Problem;
use crate::load::http1::conn::Outgoing;
use crate::load::http2::error::ExchangeError;
use crate::load::http2::mux::Answer;
use crate::load::http2::shared::{Room, Shared, Turn};
use crate::load::plan::Plan;
use crate::load::stream::Stream;

/// A connection of HTTP/2 that lanes of one thread share.
type Link = Shared<Stream>;

/// Connections of one thread. They fill up one after the other: each takes as many lanes as the scenario wants and
/// the server allows, and lanes beyond all of them wait.
#[derive(Debug)]
pub(crate) struct Links {
    places: RefCell<Vec<Rc<Place>>>,
    /// Connections at the most.
    most: usize,
    /// Streams of each at the most, and what the server allows of them as far as it is known.
    wanted: usize,
    allowed: Cell<usize>,
}

/// Where one connection is, or will be.
#[derive(Debug, Default)]
struct Place {
    link: RefCell<Option<Link>>,
    /// Held by the lane that opens it; the others wait.
    opening: Mutex<()>,
}

impl Links {
    /// At most `most` connections with `streams` streams each.
    pub(crate) fn new(most: usize, streams: usize) -> Self {
        let (most, wanted) = (most.max(1), streams.max(1));
        Self { places: RefCell::default(), most, wanted, allowed: Cell::new(wanted) }
    }

    /// Leave for a lane to open a stream, on a connection that is opened if there is none. `times` says what opening
    /// took; lanes that only waited for it have no such phase. Says whether any of that had to be waited for.
    async fn turn(
        &self,
        worker: &Rc<Worker>,
        lane: usize,
        times: &mut OpenTimes,
    ) -> Result<(Turn<Stream>, bool), Problem> {
        let mut waited = false;
        loop {
            let link = self.of(worker, lane, times, &mut waited).await.map_err(Problem::Open)?;
            match link.room(&mut waited).await {
                Ok(Room::Free(turn)) => {
                    self.learn(&link);
                    return Ok((turn, waited));
                }
                Ok(Room::Settled) => self.learn(&link),
                // Whoever waited for a connection that does not speak HTTP/2 would wait in vain for the next one.
                Err(e @ ExchangeError::Connection(_)) => return Err(Problem::Http2(e)),
                // Nothing was sent: another connection does as well.
                Err(_) => {}
            }
        }
    }

    /// The connection of a lane.
    async fn of(
        &self,
        worker: &Rc<Worker>,
        lane: usize,
        times: &mut OpenTimes,
        waited: &mut bool,
    ) -> Result<Link, OpenError> {
        let place = self.place(lane / self.allowed.get() % self.most);
        if let Some(link) = place.usable() {
            return Ok(link);
        }
        *waited = true;
        let _turn = place.opening.lock().await;
        if let Some(link) = place.usable() {
            return Ok(link);
        }
        let watch = worker.attention.watch();
        let stream = worker.plan.connector.open(times).await?;
        let link = Link::new(stream, worker.plan.clock).watched(watch);
        tokio::task::spawn_local(drive(Rc::clone(worker), link.clone()));
        // One that was there before ends once the server has: answers may still be on their way.
        place.link.replace(Some(link.clone()));
        Ok(link)
    }

    /// Lanes go where there is room by what the server said last. One that takes nothing for now says nothing about
    /// how many connections are needed.
    fn learn(&self, link: &Link) {
        if let Some(max @ 1..) = link.max_streams() {
            self.allowed.set(self.wanted.min(max as usize));
        }
    }

    fn place(&self, number: usize) -> Rc<Place> {
        let mut places = self.places.borrow_mut();
        while places.len() <= number {
            places.push(Rc::default());
        }
        Rc::clone(&places[number])
    }

    /// Closes all of them.
    pub(crate) fn close(&self) {
        for place in self.places.borrow().iter() {
            if let Some(link) = place.link.borrow().as_ref() {
                link.close();
            }
        }
    }
}

impl Place {
    fn usable(&self) -> Option<Link> {
        self.link.borrow().as_ref().filter(|link| link.reusable()).cloned()
    }
}

/// A lane's part in the connections of its thread.
pub(crate) struct Lent {
    worker: Rc<Worker>,
    lane: usize,
    /// For the exchange that comes next.
    turn: Option<Turn<Stream>>,
}

impl Lent {
    pub(crate) const fn new(worker: Rc<Worker>, lane: usize) -> Self {
        Self { worker, lane, turn: None }
    }
}

impl Connections for Lent {
    async fn ready(&mut self, _: &Plan, times: &mut OpenTimes) -> Result<bool, Problem> {
        let (turn, waited) = self.worker.links.turn(&self.worker, self.lane, times).await?;
        self.turn = Some(turn);
        Ok(waited)
    }

    async fn exchange(&mut self, _: &Plan, request: Outgoing<'_>, answer: Answer<'_>) -> Result<(), Problem> {
        match self.turn.take() {
            Some(turn) => turn.exchange(request, answer).await.map_err(Problem::Http2),
            // Nobody comes here without having made sure of a connection.
            None => Err(Problem::Http2(ExchangeError::Spent)),
        }
    }

    fn close(&mut self) {
        self.turn = None;
    }
}

async fn drive(worker: Rc<Worker>, link: Link) {
    worker.link_opened();
    link.drive().await;
    worker.link_closed();
}
