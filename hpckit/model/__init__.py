"""The request of a run, as frozen data: bag, task, site, resources, units."""
