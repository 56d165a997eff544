// Mean distance from Jupiter in thousands of kilometres, period in days.
export const moons = [
  { name: 'io', title: 'Io', distance: 422, period: 1.77, note: 'More than four hundred active volcanoes.' },
  { name: 'europa', title: 'Europa', distance: 671, period: 3.55, note: 'An ocean under a shell of ice.' },
  { name: 'ganymede', title: 'Ganymede', distance: 1070, period: 7.15, note: 'The largest moon of all, with a magnetic field.' },
  { name: 'callisto', title: 'Callisto', distance: 1883, period: 16.69, note: 'The most cratered ground that we know of.' },
];
