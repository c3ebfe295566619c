use super::permits::Permit;
use super::*;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;

/// A pool that no other test uses.
fn pool(budget: usize) -> &'static Pool {
    let pool: &'static Pool = Box::leak(Box::new(Pool::new()));
    pool.raise(budget);
    pool
}

/// Runs `work` with a permit on a thread of its own; the receiver tells that it is over.
fn job(pool: &'static Pool, work: impl FnOnce() + Send + 'static) -> mpsc::Receiver<()> {
    let (send, receive) = mpsc::channel();
    pool.admit(Box::new(move |permit: Permit| {
        std::thread::spawn(move || {
            permit.run(work);
            let _ = send.send(());
        });
    }));
    receive
}

#[test]
fn every_part_runs_once_from_many_callers_at_once() {
    for budget in [1, 2, 4, 16] {
        let pool = pool(budget);
        std::thread::scope(|scope| {
            for caller in 0..4usize {
                scope.spawn(move || {
                    for round in 0..2000 {
                        let parts = (round + caller) % 10;
                        let counts: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                        pool.parallel(parts, &|part| {
                            counts[part].fetch_add(1, Ordering::Relaxed);
                        });
                        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
                    }
                });
            }
        });
        assert!(pool.most_at_once() <= budget);
    }
}

#[test]
fn a_panic_in_a_part_reaches_the_caller_and_the_pool_lives() {
    let pool = pool(4);
    for _ in 0..50 {
        let outcome = catch_unwind(|| pool.parallel(4, &|part| assert!(part != 2, "part two")));
        assert!(outcome.is_err());
        let done = AtomicUsize::new(0);
        pool.parallel(4, &|_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.load(Ordering::Relaxed), 4);
    }
}

#[test]
fn no_more_threads_compute_than_there_are_permits() {
    let pool = pool(2);
    let (now, most): &'static (AtomicUsize, AtomicUsize) = Box::leak(Box::default());
    let count = || {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_micros(20));
        now.fetch_sub(1, Ordering::SeqCst);
    };
    let jobs: Vec<_> = (0..8)
        .map(|_| {
            job(pool, move || {
                for round in 0..50 {
                    if round % 2 == 0 {
                        pool.parallel(4, &|_| count());
                    } else {
                        pool.together(2, Workers::Any, &|_, _, _| count());
                    }
                    give_way();
                }
            })
        })
        .collect();
    jobs.iter().for_each(|job| job.recv().unwrap());
    assert_eq!((most.load(Ordering::SeqCst), pool.most_at_once()), (2, 2));
}

#[test]
fn a_lone_region_has_all_permits_and_two_share_them() {
    let pool = pool(3);
    let granted = || {
        let most = AtomicUsize::new(0);
        pool.together(8, Workers::Any, &|_, granted, _| most.store(granted, Ordering::Relaxed));
        most.into_inner()
    };
    let (send, receive) = mpsc::channel();
    job(pool, move || {
        send.send(granted()).unwrap();
        pool.together(2, Workers::Any, &|part, _, _| {
            if part == 0 {
                send.send(granted()).unwrap();
            }
        });
    })
    .recv()
    .unwrap();
    // The job has one permit; inside its region of two there is one left.
    assert_eq!(receive.into_iter().collect::<Vec<_>>(), [3, 2]);
}

#[test]
fn jobs_have_their_turn_in_the_order_in_which_they_came() {
    let pool = pool(1);
    let (send, receive) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let first = job(pool, move || gate.recv().unwrap());
    let jobs: Vec<_> = (0..20)
        .map(|index| {
            let send = send.clone();
            job(pool, move || send.send(index).unwrap())
        })
        .collect();
    drop(send);
    // Those who wait come before more threads for those who have a permit.
    assert!(pool.call(1, Workers::Any).workers.is_empty());
    open.send(()).unwrap();
    first.recv().unwrap();
    jobs.iter().for_each(|job| job.recv().unwrap());
    assert_eq!(receive.into_iter().collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_long_job_gives_way() {
    let pool = pool(1);
    static STOP: AtomicBool = AtomicBool::new(false);
    let long = job(pool, || {
        while !STOP.load(Ordering::Relaxed) {
            give_way();
        }
    });
    for _ in 0..5 {
        job(pool, || ()).recv().unwrap();
    }
    STOP.store(true, Ordering::Relaxed);
    long.recv().unwrap();
    assert_eq!(pool.most_at_once(), 1);
}

#[test]
fn a_job_that_panics_gives_its_permit_back() {
    let pool = pool(1);
    for _ in 0..3 {
        let (send, receive) = mpsc::channel();
        pool.admit(Box::new(move |permit| {
            let outcome = catch_unwind(AssertUnwindSafe(|| permit.run(|| panic!("a job"))));
            send.send(outcome.is_err()).unwrap();
        }));
        assert!(receive.recv().unwrap());
    }
    job(pool, || ()).recv().unwrap();
}

#[test]
fn threads_meet_at_a_barrier_from_many_callers_at_once() {
    for (parts, callers, rounds) in [(2, 1, 5000), (3, 1, 3000), (8, 1, 1000), (2, 3, 1000), (8, 3, 500)] {
        let pool = pool(parts);
        std::thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| {
                    let values: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                    pool.together(parts, Workers::Any, &|part, granted, barrier| {
                        assert!((1..=parts).contains(&granted));
                        for round in 0..rounds {
                            values[part].store(round, Ordering::Relaxed);
                            barrier.wait();
                            let met = values[..granted].iter().all(|value| value.load(Ordering::Relaxed) == round);
                            assert!(met, "a part was not in round {round}");
                            barrier.wait();
                        }
                    });
                    assert!(values[0].load(Ordering::Relaxed) == rounds - 1);
                });
            }
        });
    }
}

#[test]
fn short_work_goes_to_threads_that_spin_and_calls_that_follow_make_them_spin() {
    let pool = pool(2);
    let granted = |pool: &'static Pool| {
        let (most, parts) = (AtomicUsize::new(0), AtomicUsize::new(0));
        pool.together(2, Workers::Spinning, &|_, granted, barrier| {
            most.store(granted, Ordering::Relaxed);
            parts.fetch_add(1, Ordering::Relaxed);
            barrier.wait();
            assert_eq!(parts.load(Ordering::Relaxed), granted);
        });
        most.into_inner()
    };
    assert_eq!(granted(pool), 1, "no thread has begun");
    if pool.cores() > 1 {
        let begin = Instant::now();
        while granted(pool) < 2 {
            assert!(begin.elapsed() < Duration::from_secs(60), "no thread spins");
        }
    }
}

#[test]
fn a_panic_sends_the_others_away_from_the_barrier() {
    let pool = pool(3);
    for culprit in [0, 1, 2] {
        for _ in 0..30 {
            let outcome = catch_unwind(|| {
                pool.together(3, Workers::Any, &|part, granted, barrier| {
                    assert_eq!(granted, 3);
                    barrier.wait();
                    assert!(part != culprit, "the culprit");
                    barrier.wait();
                    unreachable!("the culprit never came");
                });
            });
            let panic = outcome.unwrap_err();
            assert!(panic.downcast_ref::<&str>().is_some_and(|text| text.contains("the culprit")));
        }
    }
    let met = AtomicUsize::new(0);
    pool.together(3, Workers::Any, &|_, _, barrier| {
        met.fetch_add(1, Ordering::Relaxed);
        barrier.wait();
        assert_eq!(met.load(Ordering::Relaxed), 3);
    });
}

/// `cargo test --release -p cellstate-kernels latency -- --ignored --nocapture`, on a machine that is idle.
#[test]
#[ignore = "measures"]
fn latency_of_regions_and_barriers() {
    const ROUNDS: u32 = 100_000;
    for threads in [1, 2, 3] {
        let pool = pool(threads);
        let barriers = (0..5).map(|_| {
            let begin = Instant::now();
            pool.together(threads, Workers::Any, &|_, _, barrier| (0..ROUNDS).for_each(|_| barrier.wait()));
            begin.elapsed().as_nanos() / u128::from(ROUNDS)
        });
        let barrier = barriers.min().unwrap();
        let regions = (0..5).map(|_| {
            let begin = Instant::now();
            (0..ROUNDS).for_each(|_| pool.parallel(threads, &|_| ()));
            begin.elapsed().as_nanos() / u128::from(ROUNDS)
        });
        println!("{threads} threads: {barrier} ns a barrier, {} ns a region", regions.min().unwrap());
    }
}
