from tests.benchmarks.space import replaying_space, stamping_space
from tests.benchmarks.thread_cpu import thread_cpu
with replaying_space() as url:
    for _ in range(4):
        r=thread_cpu(url); print(r, r["ours"]/r["httpx"])
