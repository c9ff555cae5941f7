//! The registry from outside: what it promises, held against real directories, processes and disks.

mod changes;
mod common;
mod concurrency;
mod crash;
mod damage;
mod disk;
