from tests.benchmarks.space import replaying_space, question
from tests.benchmarks.processes import ClientProcess
from tests.benchmarks.measures import in_order
with replaying_space() as url:
    for n in ("ours","reader","threads","updates"):
        try:
            with ClientProcess(n,url) as c:
                c.ask([question(3,.02)])
                o=c.ask([question(30,.03)]*5)
                import statistics as s
                print(n,[in_order(r) for r in o.replies], s.median(a-b for r in o.replies for a,b in zip(r.arrived,r.stamps)), o.cpu)
        except Exception as e: print(n,repr(e))
