import { NavLink, Outlet } from 'react-router';

export default function App() {
  return (
    <>
      <header>
        <NavLink to="/" className="brand">
          <img src="/orbit.svg" alt="" width="28" height="28" /> Orbits
        </NavLink>
      </header>
      <main>
        <Outlet />
      </main>
    </>
  );
}
