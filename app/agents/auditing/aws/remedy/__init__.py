"""Repairs what rules found, after a person has seen the plan: planned by reading, applied as shown, and taken back.

plan = await TlsOnly().plan(context, place, now=now)
... show plan.before_and_after(), plan.calls and plan.touches; have it confirmed ...
done = await apply(plan, context, shown=plan.digest, folder=folder, clock=clock)
await roll_back(done.path, context, clock=clock)
"""
