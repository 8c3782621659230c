//! stub
use crate::answer::{Answer};
use crate::door::Head;
use crate::hub::Hub;
pub(crate) fn handle(_hub: &Hub, _head: &Head, _body: &[u8]) -> Answer { Answer::empty(http::StatusCode::NOT_FOUND) }
