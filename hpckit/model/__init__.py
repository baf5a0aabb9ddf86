"""What is asked for, as frozen data: bag, task, site, resources, units."""
