//! Attacks on the sandboxes and on the grader.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test that cannot go on should say where; what the attacks said is read when one succeeds"
)]
#![cfg(target_os = "linux")]

mod place;
mod reach;

use place::{Where, again_as_an_ordinary_user};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_the_top_tier_is_reached() {
    assert_eq!(reach::probe(Where::Top).await, [""; 0]);
}

#[test]
fn nothing_outside_the_top_tier_is_reached_as_an_ordinary_user() {
    again_as_an_ordinary_user("nothing_outside_the_top_tier_is_reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lowest_tier_is_left_in_these_ways_only() {
    assert_eq!(reach::probe(Where::Landlock).await, [""; 0]);
}

#[test]
fn the_lowest_tier_is_left_in_these_ways_only_as_an_ordinary_user() {
    again_as_an_ordinary_user("the_lowest_tier_is_left_in_these_ways_only");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn nothing_outside_a_container_is_reached() {
    assert_eq!(reach::probe(Where::Docker).await, [""; 0]);
}
