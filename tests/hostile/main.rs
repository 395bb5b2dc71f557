//! Attacks on the sandboxes and on the grader.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test that cannot go on should say where; what the attacks said is read when one succeeds"
)]
#![cfg(target_os = "linux")]

mod deceive;
mod exhaust;
mod outlive;
mod place;
mod plant;
mod reach;

use place::{Where, again_as_an_ordinary_user};

/// What Landlock does not cover, of files that the user owns. A device is one where that is root.
const LANDLOCK: &[&str] = &[
    "change mode of host's file",
    "change mode of a device",
    "change times of host's file",
];

/// A container's own file system and processes, and what the daemon's default filter lets through (newer daemons less).
const CONTAINER: &[&str] = &[
    "vsock",
    "/etc/shadow",
    "root of init",
    "environment of init",
    "memory of init",
    "write /etc",
    "write /usr",
    "make a file in /usr",
    "change mode of a device",
    "ptrace",
    "io_uring",
    "type into a terminal",
];

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
    let mut known = LANDLOCK.to_vec();
    if !nix::unistd::geteuid().is_root() {
        known.retain(|name| *name != "change mode of a device");
    }
    assert_eq!(reach::probe(Where::Landlock).await, known);
}

#[test]
fn the_lowest_tier_is_left_in_these_ways_only_as_an_ordinary_user() {
    again_as_an_ordinary_user("the_lowest_tier_is_left_in_these_ways_only");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn nothing_outside_a_container_is_reached() {
    let mut reached = reach::probe(Where::Docker).await;
    reached.retain(|name| !CONTAINER.contains(&name.as_str()));
    assert_eq!(reached, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_top_tier_may_use_up_is_bounded() {
    exhaust::all(Where::Top).await;
}

#[test]
fn what_the_top_tier_may_use_up_is_bounded_as_an_ordinary_user() {
    again_as_an_ordinary_user("what_the_top_tier_may_use_up_is_bounded");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn what_a_container_may_use_up_is_bounded() {
    exhaust::all(Where::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_its_time_in_the_top_tier() {
    outlive::all(Where::Top).await;
}

#[test]
fn nothing_outlives_its_time_in_the_top_tier_as_an_ordinary_user() {
    again_as_an_ordinary_user("nothing_outlives_its_time_in_the_top_tier");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_its_time_in_the_lowest_tier() {
    outlive::all(Where::Landlock).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn nothing_outlives_its_time_in_a_container() {
    outlive::all(Where::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_top_tier_restores_exactly_whatever_was_planted() {
    plant::all(Where::Top).await;
}

#[test]
fn the_top_tier_restores_exactly_whatever_was_planted_as_an_ordinary_user() {
    again_as_an_ordinary_user("the_top_tier_restores_exactly_whatever_was_planted");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Docker daemon and the test image"]
async fn a_container_restores_exactly_whatever_was_planted() {
    plant::all(Where::Docker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_fixes_nothing_is_believed_in_these_ways_only() {
    deceive::all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fix_with_oddities_is_still_a_fix() {
    deceive::honest().await;
}
